<?php

declare(strict_types=1);

namespace Lyger\Http;

/**
 * Reads multipart/form-data (RFC 7578) into what PHP makes of it: $_POST and $_FILES, under PHP's own settings
 * (max_input_vars, file_uploads, max_file_uploads, upload_max_filesize, upload_tmp_dir).
 */
final class Multipart
{
    /** Of a part: browsers send a hundred bytes. */
    private const HEAD_BYTES_MAX = 8_192;

    /** @var list<string> of parse_str() */
    private array $fields = [];
    /** @var list<string> of parse_str() */
    private array $files = [];
    private int $fileCount = 0;
    private int $formBytesMax = PHP_INT_MAX;

    private function __construct()
    {
    }

    /**
     * @param string $type the Content-Type
     * @return array{array<string, mixed>, array<string, mixed>} as $_POST and $_FILES
     */
    public static function read(string $type, string $body): array
    {
        if (preg_match('/;\s*boundary=(?:"([^"]+)"|([^;,\s]+))/i', $type, $match) !== 1) {
            return [[], []];
        }
        $form = new self();
        $form->parts("\r\n--" . ($match[2] ?? $match[1]), "\r\n$body");
        parse_str(implode('&', $form->fields), $fields);
        parse_str(implode('&', $form->files), $files);
        foreach ($files as &$file) {
            foreach (['error', 'size'] as $number) {
                if (is_array($file[$number])) {
                    array_walk_recursive($file[$number], static fn (mixed &$value) => $value = (int) $value);
                } else {
                    $file[$number] = (int) $file[$number];
                }
            }
        }
        return [$fields, $files];
    }

    private function parts(string $delimiter, string $body): void
    {
        $left = (int) ini_get('max_input_vars') + (int) ini_get('max_file_uploads');
        $at = strpos($body, $delimiter);
        while ($at !== false && $left-- > 0) {
            $begin = $at + strlen($delimiter);
            if (substr($body, $begin, 2) === '--') {
                return;
            }
            $at = strpos($body, $delimiter, $begin);
            $headEnd = strpos($body, "\r\n\r\n", $begin);
            if ($headEnd === false || $headEnd - $begin > self::HEAD_BYTES_MAX || ($at !== false && $headEnd >= $at)) {
                continue;
            }
            $content = substr($body, $headEnd + 4, ($at === false ? strlen($body) : $at) - $headEnd - 4);
            $this->part(substr($body, $begin, $headEnd - $begin), $content, $at !== false);
        }
    }

    private function part(string $head, string $content, bool $isWhole): void
    {
        preg_match('/^content-disposition:(.*)$/im', $head, $disposition);
        $name = self::parameter($disposition[1] ?? '', 'name');
        $file = self::parameter($disposition[1] ?? '', 'filename');
        if ($file === null) {
            if ($name !== null && $name !== '') {
                $this->fields[] = self::pair($name, $content);
                if (strcasecmp($name, 'MAX_FILE_SIZE') === 0) {
                    $this->formBytesMax = (int) $content ?: PHP_INT_MAX;
                }
            }
            return;
        }
        if (!filter_var(ini_get('file_uploads'), FILTER_VALIDATE_BOOL)) {
            return;
        }
        if ($file !== '' && ++$this->fileCount > (int) ini_get('max_file_uploads')) {
            trigger_error('Maximum number of allowable file uploads has been exceeded', E_USER_WARNING);
            return;
        }
        preg_match('/^content-type:\s*([^;\r\n]*)/im', $head, $type);
        $this->file($name ?? (string) $this->fileCount, $file, trim($type[1] ?? ''), $content, $isWhole);
    }

    private function file(string $field, string $path, string $type, string $content, bool $isWhole): void
    {
        $bytes = strlen($content);
        $max = self::bytes((string) ini_get('upload_max_filesize'));
        $error = match (true) {
            $path === '' => UPLOAD_ERR_NO_FILE,
            $max > 0 && $bytes > $max => UPLOAD_ERR_INI_SIZE,
            $bytes > $this->formBytesMax => UPLOAD_ERR_FORM_SIZE,
            !$isWhole => UPLOAD_ERR_PARTIAL,
            default => UPLOAD_ERR_OK,
        };
        $stored = '';
        if ($error === UPLOAD_ERR_OK) {
            $stored = Uploads::store($content);
            $error = $stored === '' ? UPLOAD_ERR_CANT_WRITE : $error;
        }
        $isStored = $error === UPLOAD_ERR_OK;
        // `photos[a][]` is $_FILES['photos']['name']['a'][0]: each property has the field's brackets behind its name.
        $bracket = strpos($field, '[');
        [$base, $rest] = $bracket === false
            ? [$field, '']
            : [substr($field, 0, $bracket), substr($field, $bracket)];
        $properties = [
            // What the client calls it may be a path of any system.
            'name' => (string) preg_replace('~^.*[/\\\\]~s', '', $path),
            'full_path' => $path,
            'type' => $isStored ? $type : '',
            'tmp_name' => $stored,
            'error' => (string) $error,
            'size' => $isStored ? (string) $bytes : '0',
        ];
        foreach ($properties as $property => $value) {
            $this->files[] = self::pair("{$base}[$property]$rest", $value);
        }
    }

    private static function pair(string $name, string $value): string
    {
        return urlencode($name) . '=' . urlencode($value);
    }

    /** A parameter of a Content-Disposition; browsers write a quote in it as %22, others as \". */
    private static function parameter(string $disposition, string $name): ?string
    {
        $pattern = "/;\\s*$name\\s*=\\s*(?:\"((?:\\\\.|[^\"\\\\])*)\"|([^;\\s]*))/is";
        if (preg_match($pattern, $disposition, $match) !== 1) {
            return null;
        }
        return $match[2] ?? (string) preg_replace('/\\\\(["\\\\])/', '$1', $match[1]);
    }

    /** A size as php.ini writes it: 2M. */
    private static function bytes(string $size): int
    {
        $unit = ['k' => 10, 'm' => 20, 'g' => 30][strtolower(substr($size, -1))] ?? 0;
        return (int) $size << $unit;
    }
}
