<?php

declare(strict_types=1);

namespace Lyger\Http;

use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Database\JsonFlags;
use Lyger\Database\Options;
use Lyger\Database\RowShape;
use Lyger\Exception\InvalidArgument;

/**
 * The rows of a statement, in a shape. Under the native server they never become PHP values: the engine runs the
 * statement after the worker is free again, and writes the rows to the socket. Anywhere else body() runs it.
 *
 *     return $db->respond('SELECT id, name FROM products WHERE id = ?', [$id])->single()->etag();
 *
 * The statement is part of the answer: whoever reads body() runs it, once.
 */
final class SqlResponse extends Response
{
    /** What json_encode()'s flags would be that write rows as they are written when nobody asks. */
    public const FLAGS = JsonFlags::DEFAULT;

    private ?Db $db = null;
    private string $sql = '';
    /** @var array<mixed> */
    private array $params = [];
    private RowShape $shape;
    private bool $hasEtag = false;
    private bool $isMissing = false;

    /** @param array<mixed> $params */
    public static function of(Db $db, string $sql, array $params = [], int $status = 200): self
    {
        $response = new self('', $status, ['Content-Type' => 'application/json']);
        $response->db = $db;
        $response->sql = $sql;
        $response->params = $params;
        $response->shape = RowShape::list();
        return $response;
    }

    /** An array of objects: [{"id":1},{"id":2}] */
    public function list(): static
    {
        return $this->in(RowShape::list());
    }

    /** An array of arrays: [[1,"Kettle"],[2,null]]; the values of all columns, also of those that share a name. */
    public function arrays(): static
    {
        return $this->in(RowShape::arrays());
    }

    /**
     * An object of objects by a column's values: {"1":{"id":1},"2":{"id":2}}. Of several rows with one value the last
     * is left, at the first one's place; a row without a value is an error.
     */
    public function keyedBy(string $column): static
    {
        return $this->in(RowShape::keyedBy($column));
    }

    /** The first row's object: {"id":1}; 404 when there is no row. */
    public function single(): static
    {
        return $this->in(RowShape::single());
    }

    /** {"data":[{"id":1}],"meta":{"count":1}} */
    public function envelope(): static
    {
        return $this->in(RowShape::envelope());
    }

    /**
     * A page of the rows: {"data":[...],"meta":{"count":50,"total":120,"page":1,"per_page":50,"pages":3}}. LIMIT and
     * OFFSET are put behind the statement, which needs an ORDER BY and no LIMIT of its own. What others change between
     * the statement and its count shows.
     *
     * @param int $page counted from 1
     */
    public function paged(int $page, int $perPage): static
    {
        return $this->in(RowShape::paged($page, $perPage));
    }

    /** An object a line. */
    public function ndjson(): static
    {
        return $this->in(RowShape::ndjson());
    }

    /**
     * Comma-separated values (RFC 4180) behind a line of names. NULL is nothing, an empty text is "", booleans are true
     * and false, bytes are base64. No value is changed for spreadsheets that take `=1+1` for a formula.
     */
    public function csv(): static
    {
        return $this->in(RowShape::csv());
    }

    /**
     * The rows as json_encode() writes text with these flags: `flags(SqlResponse::FLAGS | JSON_HEX_TAG)` for a body
     * that is put into HTML, `flags(JSON_UNESCAPED_SLASHES)` for one of ASCII alone. docs/types.md has those that rows
     * know. A later shape keeps them.
     *
     * @throws InvalidArgument with the names of flags that rows don't know, and where the rows are CSV
     */
    public function flags(int $flags): static
    {
        $this->shape = $this->shape->withFlags(JsonFlags::differing(JsonFlags::check($flags)));
        return $this;
    }

    /** With an ETag, up to a megabyte; a GET or HEAD whose If-None-Match has it gets 304 and no body. */
    public function etag(): static
    {
        $this->hasEtag = true;
        return $this;
    }

    private function in(RowShape $shape): static
    {
        $this->shape = $shape->withFlags($this->shape->flags);
        return $this->setHeader('Content-Type', $shape->contentType());
    }

    public function body(): string
    {
        if ($this->db !== null) {
            $body = $this->db->shaped($this->sql, $this->params, $this->shape);
            $this->isMissing = $body === null;
            if ($body === null) {
                $this->setStatus(404)->setHeader('Content-Type', 'application/json');
                $body = Response::error(404)->body();
            }
            $this->setBody($body);
        }
        return parent::body();
    }

    /** Runs the statement if nobody has, and answers what the request asks of the ETag. */
    public function settle(Request $request): void
    {
        $body = $this->body();
        $isSafe = in_array($request->method(), ['GET', 'HEAD'], true);
        if (!$this->hasEtag || !$isSafe || $this->status() !== 200 || strlen($body) > EntityTag::BODY_BYTES_MAX) {
            return;
        }
        $tag = EntityTag::of($body);
        $this->setHeader('ETag', $tag);
        if (EntityTag::isIn($request->header('if-none-match') ?? '', $tag)) {
            $this->setStatus(304)->setBody('')->removeHeader('Content-Type');
        }
    }

    /** Whether the statement has run and gave no single row. */
    public function isMissing(): bool
    {
        return $this->isMissing;
    }

    /** The shape, the ETag, and how the statement runs, as the engine reads them. */
    public function options(): string
    {
        return $this->shape->options($this->hasEtag, $this->db?->options() ?? new Options());
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

    /**
     * Whether the statement still waits and the server may run it. It may not where its request has left something on a
     * connection of this process, such as an open transaction: it belongs there, and has to run before that ends.
     */
    public function isAnybodys(): bool
    {
        return $this->db !== null && !Engine::getInstance()->keepsConnection($this->db->dsn());
    }

    public function dsn(): string
    {
        return $this->db?->dsn() ?? '';
    }

    public function sql(): string
    {
        return $this->sql;
    }

    /** @return array<mixed> */
    public function params(): array
    {
        return $this->params;
    }
}
