<?php

declare(strict_types=1);

namespace Lyger\Http;

use Lyger\Core\Engine;

/** $_SERVER of a request: the keys of CGI (RFC 3875) and those that FPM has beside them. */
final class ServerParams
{
    /** The process's own, which say nothing of a request. */
    private const OF_PROCESS = ['argv', 'argc', 'PATH_TRANSLATED'];
    private const SCRIPT = '/index.php';

    /**
     * @param array<string, mixed> $process $_SERVER of the process: its environment stays, as under FPM
     * @return array<string, mixed>
     */
    public static function of(Request $request, array $process, string $documentRoot): array
    {
        $now = microtime(true);
        $query = $request->queryString();
        [$name, $port] = self::host($request);
        $server = self::headers($request) + [
            'GATEWAY_INTERFACE' => 'CGI/1.1',
            'SERVER_SOFTWARE' => 'Lyger/' . Engine::VERSION,
            'SERVER_PROTOCOL' => "HTTP/{$request->protocolVersion()}",
            'SERVER_NAME' => $name,
            'SERVER_PORT' => $port,
            'REMOTE_ADDR' => $request->ip(),
            'REMOTE_PORT' => (string) $request->port(),
            'REQUEST_METHOD' => $request->method(),
            'REQUEST_SCHEME' => $request->scheme(),
            'REQUEST_URI' => $request->rawPath() . ($query === '' ? '' : "?$query"),
            'QUERY_STRING' => $query,
            'DOCUMENT_ROOT' => $documentRoot,
            'DOCUMENT_URI' => self::SCRIPT,
            'SCRIPT_NAME' => self::SCRIPT,
            'SCRIPT_FILENAME' => rtrim($documentRoot, '/') . self::SCRIPT,
            'PHP_SELF' => self::SCRIPT,
            'REQUEST_TIME' => (int) $now,
            'REQUEST_TIME_FLOAT' => $now,
            'CONTENT_TYPE' => '',
            'CONTENT_LENGTH' => '',
        ];
        if ($request->scheme() === 'https') {
            $server['HTTPS'] = 'on';
        }
        foreach (array_diff_key($process, array_flip(self::OF_PROCESS)) as $key => $value) {
            // An environment's HTTP_PROXY passes for a header, and the other way round (CVE-2016-5385).
            if (!str_starts_with((string) $key, 'HTTP_')) {
                $server += [$key => $value];
            }
        }
        return $server;
    }

    /** @return array<string, string> */
    private static function headers(Request $request): array
    {
        $server = [];
        foreach ($request->headers() as $name => $value) {
            // X_Forwarded_For would pass for X-Forwarded-For, which proxies look after.
            if ($name === 'proxy' || preg_match('/^[a-z0-9-]+$/D', $name) !== 1) {
                continue;
            }
            $key = strtoupper(strtr($name, '-', '_'));
            $server[$key === 'CONTENT_TYPE' || $key === 'CONTENT_LENGTH' ? $key : "HTTP_$key"] = $value;
        }
        return $server + self::credentials($server['HTTP_AUTHORIZATION'] ?? '');
    }

    /** @return array<string, string> */
    private static function credentials(string $authorization): array
    {
        [$scheme, $rest] = explode(' ', $authorization, 2) + [1 => ''];
        if (strcasecmp($scheme, 'Digest') === 0) {
            return ['PHP_AUTH_DIGEST' => $rest];
        }
        $pair = strcasecmp($scheme, 'Basic') === 0 ? (string) base64_decode($rest) : '';
        [$user, $password] = explode(':', $pair, 2) + [1 => null];
        return $password === null ? [] : ['PHP_AUTH_USER' => $user, 'PHP_AUTH_PW' => $password];
    }

    /** @return array{string, string} name and port of the Host header */
    private static function host(Request $request): array
    {
        preg_match('/^(\[[^]]*\]|[^:]*)(?::(\d+))?$/D', $request->host(), $match);
        return [$match[1] ?? '', $match[2] ?? ($request->scheme() === 'https' ? '443' : '80')];
    }
}
