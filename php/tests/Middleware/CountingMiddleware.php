<?php

declare(strict_types=1);

namespace Lyger\Tests\Middleware;

use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Middleware\Middleware;

final class CountingMiddleware implements Middleware
{
    private int $count = 0;

    public function handle(Request $request, callable $next): Response
    {
        $count = ++$this->count;
        $response = $next($request);
        return $response->setHeader('X-Count', (string) max($count, (int) $response->header('X-Count')));
    }
}
