<?php

declare(strict_types=1);

namespace Lyger\Config;

/** A key's value, which the key may have, and where it comes from. */
final class Setting
{
    /**
     * @param string|int|bool|list<string> $value
     * @param string $place the flag, the variable, or file:line:column; empty for code and defaults
     */
    public function __construct(
        public readonly string|int|bool|array $value,
        public readonly Source $source = Source::Default,
        public readonly string $place = '',
    ) {
    }

    /** Whether somebody has set it, to whatever value. */
    public function isAsked(): bool
    {
        return $this->source !== Source::Default;
    }

    /** The value as a person would type it after a flag. */
    public function text(): string
    {
        return match (true) {
            is_bool($this->value) => $this->value ? 'true' : 'false',
            is_array($this->value) => implode(',', $this->value),
            default => (string) $this->value,
        };
    }

    /** @return array<string, mixed> what var_dump() and print_r() show */
    public function __debugInfo(): array
    {
        return get_object_vars($this->withoutSecret());
    }

    /** The same without the password of a DSN, for who prints it. */
    public function withoutSecret(): self
    {
        // Up to the last @, for a password that isn't percent-encoded may have one, and colons and slashes.
        $value = is_string($this->value)
            ? preg_replace('~^([a-z][a-z0-9+.-]*://[^:@/]*:).*(?=@)~s', '$1***', $this->value)
            : $this->value;
        return new self($value, $this->source, $this->place);
    }
}
