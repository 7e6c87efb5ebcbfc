<?php

declare(strict_types=1);

namespace Lyger\Middleware;

use Closure;
use Lyger\Http\Psr7;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\RequestHandlerInterface;

/** The rest of Lyger's pipeline, as a PSR-15 middleware sees it. Loaded only where the PSR-15 interfaces exist. */
final class Psr15Next implements RequestHandlerInterface
{
    private readonly Closure $next;

    public function __construct(callable $next)
    {
        $this->next = Closure::fromCallable($next);
    }

    public function handle(ServerRequestInterface $request): ResponseInterface
    {
        return Psr7::response(($this->next)(Psr7::fromRequest($request)));
    }
}
