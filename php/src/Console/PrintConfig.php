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
        $settings = $config->settings();
        $keyWidth = max(array_map(strlen(...), array_keys($settings)));
        $texts = array_map(static fn (Setting $setting): string => $setting->text(), self::shown($settings));
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
        $output->writeln((string) json_encode(self::shown($config->settings()), $flags), OutputInterface::OUTPUT_RAW);
    }

    /**
     * @param array<string, Setting> $settings by key
     * @return array<string, Setting> without passwords
     */
    private static function shown(array $settings): array
    {
        return array_map(static fn (Setting $setting): Setting => $setting->withoutSecret(), $settings);
    }
}
