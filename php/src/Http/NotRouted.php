<?php

declare(strict_types=1);

namespace Lyger\Http;

/**
 * The router's 404: no route has this path. A server passes `GET /` on to the engine's own root handler then; anywhere
 * else it is an ordinary answer.
 */
final class NotRouted extends Response
{
    public static function create(): self
    {
        $error = Response::error(404);
        return new self($error->body(), 404, ['Content-Type' => 'application/json']);
    }
}
