<?php

declare(strict_types=1);

namespace Lyger\Http;

/** The temporary files of a request's uploads. The server removes after the request what nobody has moved. */
final class Uploads
{
    /** @var list<string> */
    private static array $files = [];

    /** Returns the file's path, or '' when it could not be written. Only this user may read it. */
    public static function store(string $content): string
    {
        $folder = (string) ini_get('upload_tmp_dir');
        $file = @tempnam($folder === '' ? sys_get_temp_dir() : $folder, 'php');
        if ($file === false) {
            return '';
        }
        self::$files[] = $file;
        return @file_put_contents($file, $content) === strlen($content) ? $file : '';
    }

    public static function remove(): void
    {
        foreach (self::$files as $file) {
            @unlink($file);
        }
        self::$files = [];
    }
}
