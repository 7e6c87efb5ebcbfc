<?php

declare(strict_types=1);

namespace Lyger\Config;

use Lyger\Config;
use Lyger\Exception\InvalidConfig;

/** The settings of a lyger.toml. Every line of it is checked, also where a flag or a variable goes before it. */
final class File
{
    public const NAME = 'lyger.toml';
    /** All keys with a page of comments for each fit into it; what is longer is another file, or a device. */
    private const BYTES_MAX = 65_536;

    /** The file of an application's folder, if there is one. */
    public static function of(string $folder): ?string
    {
        $file = rtrim($folder, '/') . '/' . self::NAME;
        return file_exists($file) || is_link($file) ? $file : null;
    }

    /** @return array<string, Setting> by key */
    public static function settings(string $file): array
    {
        $settings = [];
        foreach ((new Toml($file, self::contents($file)))->entries() as $entry) {
            if ($entry->isSection) {
                self::checkSection($entry);
            } elseif (!array_key_exists($entry->key, Config::KEYS)) {
                throw InvalidConfig::unknown($entry->key, Config::nearestKey($entry->key), $entry->place);
            } else {
                $rule = Rule::of($entry->key);
                $value = $rule->isPath() ? self::fromFolder($file, $entry->value) : $entry->value;
                $settings[$entry->key] = $rule->setting($value, Source::File, $entry->valuePlace, true);
            }
        }
        return $settings;
    }

    /** A path from the file's folder, wherever the program was started. */
    private static function fromFolder(string $file, mixed $path): mixed
    {
        if (!is_string($path) || $path === '' || $path[0] === '/') {
            return $path;
        }
        $folder = realpath(dirname($file)) ?: dirname($file);
        return rtrim($folder, '/') . "/$path";
    }

    private static function contents(string $file): string
    {
        if ($file === '' || str_contains($file, "\0")) {
            throw InvalidConfig::at('--config', 'names no file');
        }
        $contents = is_dir($file) ? false : @file_get_contents($file, false, null, 0, self::BYTES_MAX + 1);
        if ($contents === false) {
            $reason = is_dir($file) ? 'it is a folder' : (error_get_last()['message'] ?? '');
            throw InvalidConfig::at($file, 'cannot be read: ' . preg_replace('/^.*: /s', '', $reason));
        }
        return strlen($contents) <= self::BYTES_MAX
            ? $contents
            : throw InvalidConfig::at($file, 'has more than ' . self::BYTES_MAX . ' bytes');
    }

    private static function checkSection(TomlEntry $section): void
    {
        $sections = [];
        foreach (array_keys(Config::KEYS) as $key) {
            $name = strstr($key, '.', true);
            $sections += $name === false ? [] : [$name => "[$name]"];
        }
        if (!isset($sections[$section->key])) {
            $there = implode(' and ', $sections);
            throw InvalidConfig::at($section->place, "there is no section [$section->key], only $there");
        }
    }
}
