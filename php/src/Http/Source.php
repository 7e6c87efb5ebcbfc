<?php

declare(strict_types=1);

namespace Lyger\Http;

/**
 * Where a request's parts come from: the engine's memory, PHP's globals, or a string.
 *
 * A source copies nothing before it is asked; Request asks each part at most once.
 */
interface Source
{
    /** Upper case, as it came. */
    public function method(): string;

    /** The path as it came, still percent-encoded. */
    public function path(): string;

    /** What follows the question mark, or ''. */
    public function query(): string;

    /** A header's value, several joined by ", "; null when it is missing. The name is given in lower case. */
    public function header(string $name): ?string;

    /** @return list<array{string, string}> every header as it came, in its order */
    public function headers(): array;

    public function body(): string;

    public function clientAddress(): string;

    public function clientPort(): int;

    /** http or https */
    public function scheme(): string;

    /** 1.0, 1.1 or 2 */
    public function protocolVersion(): string;

    /** The request must not be run again, should this process be killed at it. Nothing to do where nobody would. */
    public function once(): void;
}
