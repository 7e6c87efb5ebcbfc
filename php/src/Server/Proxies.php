<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;

/**
 * Which client a request comes from when proxies stand between: rust/front/proxies.rs once more.
 *
 * X-Forwarded-For is a list that every proxy extends at its end, and that a client may start with lies. So it is
 * believed only as far as the chain of trusted proxies reaches: from its end to the first address that isn't one.
 */
final class Proxies
{
    /** ::ffff:10.0.0.1 is 10.0.0.1 in IPv6 clothes: how these sixteen bytes begin. */
    private const MAPPED = "\0\0\0\0\0\0\0\0\0\0\xff\xff";

    /** @var list<array{string, int}> address in binary and the length of its prefix */
    private array $networks = [];

    public function __construct(Config $config)
    {
        $this->networks = array_values(array_filter(array_map(self::network(...), $config->list('trusted_proxies'))));
    }

    /**
     * Reads an address or a network such as 10.0.0.0/8.
     *
     * @return array{string, int}|null the address in binary and the length of its prefix; null for other text
     */
    public static function network(string $text): ?array
    {
        [$address, $bits] = explode('/', $text, 2) + [1 => null];
        $binary = @inet_pton($address);
        $bitsMax = $binary === false ? -1 : strlen($binary) * 8;
        if ($binary === false || ($bits !== null && (!ctype_digit($bits) || (int) $bits > $bitsMax))) {
            return null;
        }
        $bits = $bits === null ? $bitsMax : (int) $bits;
        if (strlen($binary) === 16 && str_starts_with($binary, self::MAPPED)) {
            return $bits < 96 ? null : [substr($binary, 12), $bits - 96];
        }
        return [$binary, $bits];
    }

    /**
     * @param list<array{string, string}> $headers with names in lower case
     * @return array{string, int, string} the client's address, its port (0 behind a proxy) and the scheme it used
     */
    public function client(string $peer, int $port, array $headers): array
    {
        if (!$this->trusts($peer)) {
            return [$peer, $port, 'http'];
        }
        $client = $peer;
        foreach (array_reverse(self::items($headers, 'x-forwarded-for')) as $item) {
            // 1.2.3.4, 1.2.3.4:80, ::1, [::1], [::1]:80
            $address = preg_replace('/^\[(.*)\](:\d+)?$|^([\d.]+):\d+$/D', '$1$3', $item) ?? '';
            if (@inet_pton($address) === false) {
                break; // "unknown" or a lie: believe nothing before it
            }
            $client = $address;
            if (!$this->trusts($address)) {
                break;
            }
        }
        $protocols = self::items($headers, 'x-forwarded-proto');
        $scheme = strtolower((string) end($protocols)) === 'https' ? 'https' : 'http';
        return [$client, $client === $peer ? $port : 0, $scheme];
    }

    private function trusts(string $address): bool
    {
        $binary = (string) @inet_pton($address);
        $binary = str_starts_with($binary, self::MAPPED) ? substr($binary, 12) : $binary;
        foreach ($this->networks as [$network, $bits]) {
            $bytes = intdiv($bits, 8);
            $mask = 0xff00 >> $bits % 8 & 0xff;
            if (
                strlen($network) === strlen($binary)
                && strncmp($network, $binary, $bytes) === 0
                && ($mask === 0 || ((ord($network[$bytes]) ^ ord($binary[$bytes])) & $mask) === 0)
            ) {
                return true;
            }
        }
        return false;
    }

    /**
     * @param list<array{string, string}> $headers
     * @return list<string> the items of a list header, over all its lines
     */
    private static function items(array $headers, string $name): array
    {
        $items = [];
        foreach ($headers as [$key, $value]) {
            if ($key === $name) {
                array_push($items, ...array_map(trim(...), explode(',', $value)));
            }
        }
        return $items;
    }
}
