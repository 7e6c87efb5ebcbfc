<?php

declare(strict_types=1);

namespace Lyger\Config;

use Lyger\Config;
use Lyger\Exception\InvalidConfig;
use Lyger\Server\Proxies;
use SensitiveParameter;

/** What values a key may have, read from its line in Config::KEYS. */
final class Rule
{
    /** An address with a port, or nothing. */
    public const ADDRESS = 'an IP address or localhost with a port such as 127.0.0.1:6380';
    /** Nobody is shown it. */
    public const SECRET = 'a text of at most 1024 bytes';
    public const PATH = 'the path of a file';
    /** What is behind the scheme is the driver's to read. */
    public const DSN = 'a DSN such as redis://127.0.0.1:6379, or nothing';
    private const TEXT_BYTES_MAX = [
        self::ADDRESS => 64, self::SECRET => 1024, self::PATH => 4095, self::DSN => 65_536,
    ];

    /** More of a wrong value is not shown. */
    private const SHOWN_BYTES_MAX = 80;

    /** @param mixed $line of Config::KEYS */
    private function __construct(private readonly string $key, private readonly mixed $line)
    {
    }

    public static function of(string $key): self
    {
        return new self($key, Config::KEYS[$key]);
    }

    /** @return string|int|bool|list<string> */
    public function default(): string|int|bool|array
    {
        return is_array($this->line) && $this->line !== [] ? $this->line[0] : $this->line;
    }

    /** For the help of a command. */
    public function isSwitch(): bool
    {
        return is_bool($this->line);
    }

    /** Whether a flag of it may stand without a value or with one. */
    public function isSwitchWithChoice(): bool
    {
        return is_array($this->line) && $this->line !== [] && is_bool($this->line[0]);
    }

    public function isSecret(): bool
    {
        return $this->isText() && $this->line[1] === self::SECRET;
    }

    public function isPath(): bool
    {
        return $this->isText() && $this->line[1] === self::PATH;
    }

    private function isDsn(): bool
    {
        return $this->isText() && $this->line[1] === self::DSN;
    }

    private function isText(): bool
    {
        return is_array($this->line) && $this->line !== [] && is_string($this->line[1]);
    }

    /** @return string such as "an integer from 1 to 1024" */
    public function wanted(): string
    {
        return match (true) {
            is_bool($this->line) => 'true or false',
            is_string($this->line) => 'an IP address or localhost',
            $this->line === [] => 'a list of IP addresses and networks such as 10.0.0.0/8',
            $this->isText() => $this->line[1],
            $this->isSwitchWithChoice() => 'true, false or poll',
            is_array($this->line[1]) => implode(' or ', $this->line[1]) . ': no other is there',
            default => "an integer from {$this->line[1]} to {$this->line[2]}",
        };
    }

    /**
     * The setting that a value makes.
     *
     * @param bool $isTyped whether the value has the type that it was written with, as in a file; text of a flag or a
     *     variable has to be read
     */
    public function setting(
        #[SensitiveParameter] mixed $value,
        Source $source,
        string $place,
        bool $isTyped = false,
    ): Setting {
        $read = match (true) {
            is_bool($this->line) => self::bool($value, $isTyped),
            is_string($this->line) => self::host($value),
            $this->line === [] => self::networks($value, $isTyped),
            $this->isText() => $this->text($value),
            is_array($this->line[1]) => $this->choice($value, $isTyped),
            default => $this->int($value, $isTyped),
        };
        if ($read === null) {
            // A DSN that can't be read may have its password anywhere.
            $shown = $this->isSecret() || $this->isDsn() ? '(not shown)' : self::shown($value);
            throw InvalidConfig::impossible($this->key, $shown, $this->wanted(), $place);
        }
        return new Setting($read === '' ? '' : $this->hidden($read), $source, $place);
    }

    /**
     * The value, and in place of one that nobody is to be shown a secret.
     *
     * @param string|int|bool|list<string> $value
     * @return string|int|bool|list<string>|Secret
     */
    private function hidden(#[SensitiveParameter] string|int|bool|array $value): string|int|bool|array|Secret
    {
        return match (true) {
            $this->isSecret() => new Secret($value),
            // Up to the last @, for a password that isn't percent-encoded may have one, and colons and slashes.
            $this->isDsn() => new Secret(
                $value,
                (string) preg_replace('~^([a-z][a-z0-9+.-]*://[^:@/]*:).*(?=@)~s', '$1***', $value),
            ),
            default => $value,
        };
    }

    private function choice(mixed $value, bool $isTyped): string|bool|null
    {
        if (in_array($value, $this->line[1], true)) {
            return $value;
        }
        return $this->isSwitchWithChoice() ? self::bool($value, $isTyped) : null;
    }

    private static function bool(mixed $value, bool $isTyped): ?bool
    {
        return $isTyped && !is_bool($value)
            ? null
            : filter_var($value, FILTER_VALIDATE_BOOL, FILTER_NULL_ON_FAILURE);
    }

    /** A name may have several addresses, of which a server would take one: none but localhost is let in. */
    private static function host(mixed $value): ?string
    {
        $is = is_string($value) && ($value === 'localhost' || filter_var($value, FILTER_VALIDATE_IP) !== false);
        return $is ? $value : null;
    }

    private function text(mixed $value): ?string
    {
        $isText = is_string($value) && strlen($value) <= self::TEXT_BYTES_MAX[$this->line[1]];
        // It travels as JSON, and on as a C string.
        if (!$isText || preg_match('/^[^\x00]*$/Du', $value) !== 1) {
            return null;
        }
        $isOne = $value === '' || match ($this->line[1]) {
            self::ADDRESS => self::isAddress($value),
            self::DSN => preg_match('~^[a-z][a-z0-9+.-]*://\S+$~D', $value) === 1,
            default => true,
        };
        return $isOne ? $value : null;
    }

    private static function isAddress(string $value): bool
    {
        if (preg_match('/^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/D', $value, $match) !== 1 || (int) $match[3] > 65_535) {
            return false;
        }
        return $match[1] !== ''
            ? filter_var($match[1], FILTER_VALIDATE_IP, FILTER_FLAG_IPV6) !== false
            : $match[2] === 'localhost' || filter_var($match[2], FILTER_VALIDATE_IP, FILTER_FLAG_IPV4) !== false;
    }

    /** @return list<string>|null */
    private static function networks(mixed $value, bool $isTyped): ?array
    {
        $items = is_string($value) && !$isTyped ? explode(',', $value) : $value;
        if (!is_array($items) || array_filter($items, is_string(...)) !== $items) {
            return null;
        }
        $items = array_values(array_filter(array_map(trim(...), $items), static fn (string $item) => $item !== ''));
        return in_array(null, array_map(Proxies::network(...), $items), true) ? null : $items;
    }

    private function int(mixed $value, bool $isTyped): ?int
    {
        [, $min, $max] = $this->line;
        $isText = is_string($value) && !$isTyped && preg_match('/^\d{1,18}$/D', $value) === 1;
        $number = $isText ? (int) $value : $value;
        return is_int($number) && $number >= $min && $number <= $max ? $number : null;
    }

    private static function shown(mixed $value): string
    {
        $shown = match (true) {
            is_string($value) => $value,
            is_scalar($value) => var_export($value, true),
            is_array($value) && array_filter($value, is_string(...)) === $value => implode(',', $value),
            default => get_debug_type($value),
        };
        return strlen($shown) > self::SHOWN_BYTES_MAX ? substr($shown, 0, self::SHOWN_BYTES_MAX) . '...' : $shown;
    }
}
