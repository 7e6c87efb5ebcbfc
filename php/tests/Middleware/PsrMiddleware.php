<?php

declare(strict_types=1);

namespace Lyger\Tests\Middleware;

use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\MiddlewareInterface;
use Psr\Http\Server\RequestHandlerInterface;

final class PsrMiddleware implements MiddlewareInterface
{
    public function __construct(private readonly bool $reads = false)
    {
    }

    public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface
    {
        $response = $handler->handle($request->withAttribute('by', 'psr')->withHeader('X-Added', 'yes'));
        if ($this->reads) {
            $response = $response->withHeader('X-Length', (string) strlen((string) $response->getBody()));
        }
        return $response->withHeader('X-Seen-By', 'psr');
    }
}
