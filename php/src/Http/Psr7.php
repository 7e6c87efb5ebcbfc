<?php

declare(strict_types=1);

namespace Lyger\Http;

use Nyholm\Psr7\Response as PsrResponse;
use Nyholm\Psr7\ServerRequest;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;

/** The bridge to PSR-7, by nyholm/psr7. */
final class Psr7
{
    /** The attribute under which a PSR-7 request carries the request that it was made from. */
    public const REQUEST = Request::class;

    public static function request(Request $request): ServerRequestInterface
    {
        $query = $request->queryString();
        $target = $request->rawPath() . ($query === '' ? '' : "?$query");
        $authority = $request->host() === '' ? 'localhost' : $request->host();
        $psr = new ServerRequest(
            $request->method(),
            "{$request->scheme()}://$authority$target",
            $request->headers(),
            $request->body(),
            $request->protocolVersion(),
            ['REMOTE_ADDR' => $request->ip(), 'REMOTE_PORT' => (string) $request->port()],
        );
        $psr = $psr->withQueryParams($request->query())->withCookieParams($request->cookies());
        if (!$request->isJson()) {
            $psr = $psr->withParsedBody($request->input());
        }
        foreach ($request->params() + $request->attributes() as $name => $value) {
            $psr = $psr->withAttribute((string) $name, $value);
        }
        return $psr->withAttribute(self::REQUEST, $request);
    }

    /**
     * Lyger's request of a PSR-7 one. Attributes carry over; a changed header or body does too.
     */
    public static function fromRequest(ServerRequestInterface $psr): Request
    {
        $headers = [];
        foreach ($psr->getHeaders() as $name => $values) {
            foreach ($values as $value) {
                $headers[] = [(string) $name, $value];
            }
        }
        $server = $psr->getServerParams();
        $request = new Request(new ArraySource(
            $psr->getMethod(),
            $psr->getUri()->getPath() === '' ? '/' : $psr->getUri()->getPath(),
            $psr->getUri()->getQuery(),
            $headers,
            (string) $psr->getBody(),
            (string) ($server['REMOTE_ADDR'] ?? ''),
            (int) ($server['REMOTE_PORT'] ?? 0),
            $psr->getUri()->getScheme() === 'https' ? 'https' : 'http',
            $psr->getProtocolVersion(),
        ));
        $origin = $psr->getAttribute(self::REQUEST);
        $request->setParams($origin instanceof Request ? $origin->params() : []);
        foreach ($psr->getAttributes() as $name => $value) {
            if ($name !== self::REQUEST && !isset($request->params()[$name])) {
                $request->setAttribute((string) $name, $value);
            }
        }
        return $request;
    }

    /** A pending SqlResponse keeps its rows native through PSR-15 middleware that doesn't read the body. */
    public static function response(Response $response): ResponseInterface
    {
        $pending = $response instanceof SqlResponse && $response->isPending();
        $psr = new PsrResponse($response->status(), [], $pending ? new SqlStream($response) : $response->body());
        foreach ($response->headers() as [$name, $value]) {
            $psr = $psr->withAddedHeader($name, $value);
        }
        return $psr;
    }

    public static function fromResponse(ResponseInterface $psr): Response
    {
        $body = $psr->getBody();
        $response = $body instanceof SqlStream ? $body->response() : new Response((string) $body);
        foreach ($response->headers() as [$name]) {
            $response->removeHeader($name);
        }
        // One whose statement has run for a middleware has found out by itself that nothing is there.
        if (!($response instanceof SqlResponse && $response->isMissing())) {
            $response->setStatus($psr->getStatusCode());
        }
        foreach ($psr->getHeaders() as $name => $values) {
            foreach ($values as $value) {
                $response->addHeader((string) $name, $value);
            }
        }
        return $response;
    }
}
