<?php

declare(strict_types=1);

namespace Lyger\Middleware;

use Lyger\Http\Request;
use Lyger\Http\Response;

/**
 * Something that stands around handlers: it may answer itself, or ask the next one and change the answer.
 *
 *     public function handle(Request $request, callable $next): Response
 *     {
 *         return $next($request)->setHeader('X-Frame-Options', 'DENY');
 *     }
 */
interface Middleware
{
    /** @param callable(Request): Response $next */
    public function handle(Request $request, callable $next): Response;
}
