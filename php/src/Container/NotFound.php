<?php

declare(strict_types=1);

namespace Lyger\Container;

use Lyger\Exception\LygerException;
use Psr\Container\NotFoundExceptionInterface;

/** Nothing is registered under this id, and no class has this name. */
final class NotFound extends LygerException implements NotFoundExceptionInterface
{
    public static function id(string $id): self
    {
        return new self("the container knows no \"$id\", and there is no such class", null, $id);
    }
}
