<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;
use Lyger\Http\Request;
use Lyger\Http\Response;

/**
 * One client of the stream server.
 *
 *     Reading --complete--> Ready --answered--> Writing --all sent--> Lingering --client closed, or a second--> Closed
 *
 * Each connection carries one request. Lingering: the client may still be sending what was refused, and closing then
 * would make the kernel throw the answer away.
 */
final class Connection
{
    private const LINGER_SECONDS = 1.0;
    private const READ_BYTES = 65_536;
    /** Within the time that a client may take nothing: a look reads a table of all sockets, and may come so much late. */
    private const LOOKS = 4;

    private Phase $phase = Phase::Reading;
    private readonly RequestParser $parser;
    private string $out = '';
    private float $deadline;
    /** Until when a client that takes nothing has to take something, and what the kernel held of its answer at the last look. */
    private float $takesUntil = 0.0;
    private ?int $held = null;
    private bool $toldToContinue = false;
    private readonly string $address;
    private readonly int $port;

    /** @param resource $stream */
    public function __construct(public readonly mixed $stream, private readonly Config $config)
    {
        stream_set_blocking($stream, false);
        $peer = (string) stream_socket_get_name($stream, true);
        $colon = (int) strrpos($peer, ':');
        $this->address = trim(substr($peer, 0, $colon), '[]');
        $this->port = (int) substr($peer, $colon + 1);
        $this->parser = new RequestParser($config);
        $this->deadline = self::in($config->int('head_timeout_ms'));
    }

    public function phase(): Phase
    {
        return $this->phase;
    }

    public function deadline(): float
    {
        return $this->deadline;
    }

    public function hasBegun(): bool
    {
        return $this->parser->hasBegun();
    }

    public function request(Proxies $proxies): Request
    {
        return new Request($this->parser->source($this->address, $this->port, $proxies));
    }

    public function read(): void
    {
        $bytes = @fread($this->stream, self::READ_BYTES);
        if ($bytes === false || $bytes === '') {
            if ($bytes === false || feof($this->stream)) {
                $this->close();
            }
            return;
        }
        if ($this->phase !== Phase::Reading) {
            return; // lingering: read and forgotten
        }
        try {
            $this->parser->feed($bytes);
        } catch (Refused $refused) {
            $this->refuse($refused->status());
            return;
        }
        if ($this->parser->isComplete()) {
            $this->phase = Phase::Ready;
            return;
        }
        if ($this->parser->hasHead()) {
            $this->deadline = self::in($this->config->int('body_idle_timeout_ms'));
            if ($this->parser->expectsContinue() && !$this->toldToContinue) {
                $this->toldToContinue = true;
                @fwrite($this->stream, "HTTP/1.1 100 Continue\r\n\r\n");
            }
        }
    }

    public function answer(Response $response): void
    {
        $body = $response->body();
        $status = $response->status();
        $head = "HTTP/1.1 $status " . Response::reason($status) . "\r\n";
        foreach ($response->headers() as [$name, $value]) {
            $own = ['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'date', 'trailer', 'upgrade'];
            if (!in_array(strtolower($name), $own, true)) {
                $head .= "$name: $value\r\n";
            }
        }
        $hasBody = !in_array($status, [204, 205, 304], true);
        $head .= $hasBody ? 'Content-Length: ' . strlen($body) . "\r\n" : '';
        $head .= 'Date: ' . gmdate('D, d M Y H:i:s') . " GMT\r\nConnection: close\r\n\r\n";
        $this->out = $head . ($hasBody && $this->parser->method() !== 'HEAD' ? $body : '');
        $this->phase = Phase::Writing;
        $this->goOnWriting();
        $this->write();
    }

    public function refuse(int $status): void
    {
        $this->answer(Response::error($status));
    }

    public function write(): void
    {
        while ($this->out !== '') {
            $written = @fwrite($this->stream, $this->out);
            if ($written === false) {
                $this->close();
                return;
            }
            if ($written === 0) {
                return;
            }
            $this->out = substr($this->out, $written);
            $this->goOnWriting();
        }
        @stream_socket_shutdown($this->stream, STREAM_SHUT_WR);
        $this->phase = Phase::Lingering;
        $this->deadline = microtime(true) + self::LINGER_SECONDS;
    }

    /** The time of the phase is over. */
    public function expire(): void
    {
        if ($this->phase === Phase::Reading && $this->parser->hasBegun()) {
            $this->refuse(408);
        } elseif ($this->phase !== Phase::Writing || !$this->takes()) {
            $this->close();
        }
    }

    /** The client's time begins anew. */
    private function goOnWriting(): void
    {
        $this->held = null;
        $this->takesUntil = self::in($this->config->int('write_timeout_ms'));
        $this->lookAgain();
    }

    private function lookAgain(): void
    {
        $this->deadline = min($this->takesUntil, self::in(intdiv($this->config->int('write_timeout_ms'), self::LOOKS)));
    }

    /**
     * Whether the client may take its time. The kernel has room for more only when about a third of the megabytes that
     * it took is read, for which a slow client may need longer than it may take nothing: so its own books are asked.
     */
    private function takes(): bool
    {
        $held = $this->unacknowledged();
        if ($held !== null && ($this->held === null || $held < $this->held)) {
            $this->held = $held;
            $this->takesUntil = self::in($this->config->int('write_timeout_ms'));
        }
        $this->lookAgain();
        return microtime(true) < $this->takesUntil;
    }

    /** Bytes that the client's kernel has not acknowledged, by proc(5); null where there is no such file. */
    private function unacknowledged(): ?int
    {
        $inode = (string) fstat($this->stream)['ino'];
        foreach (['/proc/net/tcp', '/proc/net/tcp6'] as $table) {
            $lines = is_readable($table) ? file($table) : [];
            foreach (preg_grep("/ $inode /", $lines) as $line) {
                $columns = preg_split('/\s+/', trim($line));
                if ($columns[9] === $inode) {
                    return (int) hexdec(strstr($columns[4], ':', true));
                }
            }
        }
        return null;
    }

    public function close(): void
    {
        if ($this->phase !== Phase::Closed) {
            $this->phase = Phase::Closed;
            @fclose($this->stream);
        }
    }

    private static function in(int $timeoutMs): float
    {
        return microtime(true) + $timeoutMs / 1000;
    }
}
