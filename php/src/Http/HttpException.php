<?php

declare(strict_types=1);

namespace Lyger\Http;

use Lyger\Exception\LygerException;
use Throwable;

/**
 * Thrown anywhere below the router to answer with a status: the message goes to the client.
 *
 *     throw HttpException::notFound("no product $id");
 */
final class HttpException extends LygerException
{
    private int $status = 500;

    public static function of(int $status, string $message = '', ?Throwable $previous = null): self
    {
        $exception = new self($message, null, null, $previous);
        $exception->status = $status;
        return $exception;
    }

    public static function badRequest(string $message = ''): self
    {
        return self::of(400, $message);
    }

    public static function notFound(string $message = ''): self
    {
        return self::of(404, $message);
    }

    /** The answer that it stands for. */
    public function response(): Response
    {
        return Response::error($this->status, $this->getMessage());
    }

    public function status(): int
    {
        return $this->status;
    }
}
