<?php

declare(strict_types=1);

namespace Lyger\Config;

/** A key's value, which the key may have, and where it comes from. */
final class Setting
{
    /**
     * @param string|int|bool|list<string>|Secret $value
     * @param string $place the flag, the variable, or file:line:column; empty for code and defaults
     */
    public function __construct(
        public readonly string|int|bool|array|Secret $value,
        public readonly Source $source = Source::Default,
        public readonly string $place = '',
    ) {
    }

    /** Whether somebody has set it, to whatever value. */
    public function isAsked(): bool
    {
        return $this->source !== Source::Default;
    }

    /** @return string|int|bool|list<string> the value itself, also of a secret */
    public function plain(): string|int|bool|array
    {
        return $this->value instanceof Secret ? $this->value->text() : $this->value;
    }

    /** The value as a person would type it after a flag; of a secret what may be seen of it. */
    public function text(): string
    {
        return match (true) {
            is_bool($this->value) => $this->value ? 'true' : 'false',
            is_array($this->value) => implode(',', $this->value),
            $this->value instanceof Secret => $this->value->shown,
            default => (string) $this->value,
        };
    }

    /** The same with what may be seen of a secret, for who prints it. */
    public function withoutSecret(): self
    {
        return $this->value instanceof Secret ? new self($this->value->shown, $this->source, $this->place) : $this;
    }
}
