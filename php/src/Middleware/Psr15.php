<?php

declare(strict_types=1);

namespace Lyger\Middleware;

use Lyger\Http\Psr7;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Psr\Http\Server\MiddlewareInterface;

/** A PSR-15 middleware in Lyger's pipeline. */
final class Psr15 implements Middleware
{
    public function __construct(private readonly MiddlewareInterface $middleware)
    {
    }

    public function handle(Request $request, callable $next): Response
    {
        return Psr7::fromResponse($this->middleware->process(Psr7::request($request), new Psr15Next($next)));
    }
}
