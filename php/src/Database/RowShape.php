<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Exception\InvalidArgument;
use Lyger\Http\HttpException;

/** What a body of rows looks like; rust/json/shape.rs has the same. */
final class RowShape
{
    private function __construct(
        public readonly string $name,
        public readonly string $key = '',
        public readonly int $page = 0,
        public readonly int $perPage = 0,
        /** Flags of json_encode() that differ from JsonFlags::DEFAULT; null where none does. */
        public readonly ?int $flags = null,
    ) {
    }

    /** [{"id":1},{"id":2}] */
    public static function list(): self
    {
        return new self('list');
    }

    /** [[1],[2]] */
    public static function arrays(): self
    {
        return new self('arrays');
    }

    /** {"1":{"id":1},"2":{"id":2}} */
    public static function keyedBy(string $column): self
    {
        if (preg_match('//u', $column) !== 1) {
            throw InvalidArgument::because('the name of the column to be keyed by is not UTF-8');
        }
        return new self('keyed', $column);
    }

    /** {"id":1} */
    public static function single(): self
    {
        return new self('single');
    }

    /** {"data":[{"id":1}],"meta":{"count":1}} */
    public static function envelope(): self
    {
        return new self('envelope');
    }

    /** {"data":[{"id":1}],"meta":{"count":1,"total":9,"page":2,"per_page":1,"pages":9}} */
    public static function paged(int $page, int $perPage): self
    {
        if ($perPage < 1) {
            throw InvalidArgument::because("a page has rows, and not $perPage", (string) $perPage);
        }
        // Which page it is commonly comes from the client: its mistake is no fault of the server's.
        if ($page < 1) {
            throw HttpException::badRequest("pages are counted from 1: there is no page $page");
        }
        if ($page - 1 > intdiv(PHP_INT_MAX, $perPage)) {
            throw HttpException::badRequest("page $page lies behind every row");
        }
        return new self('paged', '', $page, $perPage);
    }

    /** {"id":1}\n{"id":2}\n */
    public static function ndjson(): self
    {
        return new self('ndjson');
    }

    /** id\r\n1\r\n2\r\n */
    public static function csv(): self
    {
        return new self('csv');
    }

    /** The same with these flags of json_encode(). */
    public function withFlags(?int $flags): self
    {
        if ($flags !== null && $this->name === 'csv') {
            throw InvalidArgument::because('CSV has no flags of JSON');
        }
        return new self($this->name, $this->key, $this->page, $this->perPage, $flags);
    }

    public function contentType(): string
    {
        return match ($this->name) {
            'ndjson' => 'application/x-ndjson',
            'csv' => 'text/csv; charset=utf-8; header=present',
            default => 'application/json',
        };
    }

    /** With what else is asked of an answer, as the engine reads it (rust/json/shape.rs); '' is a list. */
    public function options(bool $etag = false, Options $how = new Options()): string
    {
        $options = match ($this->name) {
            'list' => [],
            'keyed' => ['shape' => 'keyed', 'key' => $this->key],
            'paged' => ['shape' => 'paged', 'page' => $this->page, 'per_page' => $this->perPage],
            default => ['shape' => $this->name],
        };
        $options += $this->flags === null ? [] : ['flags' => $this->flags];
        $options += $etag ? ['etag' => true] : [];
        $options += $how->timeoutMs === null ? [] : ['timeout_ms' => $how->timeoutMs];
        $options += $how->retries === 0 ? [] : ['retries' => $how->retries];
        $options += $how->decimalsAsNumbers ? ['decimals' => 'number'] : [];
        $options += $how->timesAsSql ? ['times' => 'sql'] : [];
        return $options === [] ? '' : json_encode($options, JSON_THROW_ON_ERROR);
    }
}
