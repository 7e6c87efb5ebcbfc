<?php

declare(strict_types=1);

namespace Lyger\Http;

use Lyger\Database\Db;

/**
 * The rows of a statement as a JSON array. Under the native server they never become PHP values: the engine runs the
 * statement after the worker is free again, and writes the JSON to the socket. Anywhere else body() runs it.
 *
 * The statement is part of the answer: whoever reads body() runs it, once.
 */
final class SqlResponse extends Response
{
    private ?Db $db = null;
    private string $sql = '';
    /** @var list<mixed> */
    private array $params = [];

    /** @param array<mixed> $params */
    public static function of(Db $db, string $sql, array $params = [], int $status = 200): self
    {
        $response = new self('', $status, ['Content-Type' => 'application/json']);
        $response->db = $db;
        $response->sql = $sql;
        $response->params = array_values($params);
        return $response;
    }

    public function body(): string
    {
        if ($this->db !== null) {
            $this->setBody($this->db->json($this->sql, $this->params));
        }
        return parent::body();
    }

    /** A body set by hand takes the statement's place. */
    public function setBody(string $body): static
    {
        $this->db = null;
        return parent::setBody($body);
    }

    /** Whether the statement still waits to be run. */
    public function isPending(): bool
    {
        return $this->db !== null;
    }

    public function dsn(): string
    {
        return $this->db?->dsn() ?? '';
    }

    public function sql(): string
    {
        return $this->sql;
    }

    /** @return list<mixed> */
    public function params(): array
    {
        return $this->params;
    }
}
