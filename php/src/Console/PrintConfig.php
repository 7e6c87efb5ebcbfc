<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Config;
use Lyger\Config\Setting;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr serve --print-config: every key with its value and where that comes from. */
final class PrintConfig
{
    public static function asTable(Config $config, OutputInterface $output): void
    {
        $settings = self::settings($config);
        $keyWidth = max(array_map(strlen(...), array_keys($settings)));
        $texts = array_map(static fn (Setting $setting): string => $setting->text(), $settings);
        $texts = array_replace($texts, array_fill_keys(array_keys($texts, '', true), '(none)'));
        $valueWidth = max(array_map(strlen(...), $texts));
        foreach ($settings as $key => $setting) {
            $from = $setting->place === '' ? $setting->source->value : $setting->place;
            $line = sprintf("%-{$keyWidth}s  %-{$valueWidth}s  %s", $key, $texts[$key], $from);
            $output->writeln($line, OutputInterface::OUTPUT_RAW);
        }
    }

    /** {"queue_max":{"value":64,"source":"flag","place":"--queue-max"},...} */
    public static function asJson(Config $config, OutputInterface $output): void
    {
        // A place holds a path, which may have any bytes.
        $flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
        $output->writeln((string) json_encode(self::settings($config), $flags), OutputInterface::OUTPUT_RAW);
    }

    /** @return array<string, Setting> by key */
    private static function settings(Config $config): array
    {
        return array_map(static fn (Setting $setting): Setting => $setting->withoutSecret(), $config->settings());
    }
}
