<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** Invalid UTF-8 made valid, as Rust's from_utf8_lossy and the WHATWG's decoder do. */
final class Utf8
{
    // Unicode, section 3.9, table 3-7: the well-formed sequences; then the beginnings of such, longest first, which
    // each become one replacement character.
    private const SEQUENCES = '/
        (?: [\x00-\x7f]
          | [\xc2-\xdf][\x80-\xbf]
          | \xe0[\xa0-\xbf][\x80-\xbf] | [\xe1-\xec\xee\xef][\x80-\xbf]{2} | \xed[\x80-\x9f][\x80-\xbf]
          | \xf0[\x90-\xbf][\x80-\xbf]{2} | [\xf1-\xf3][\x80-\xbf]{3} | \xf4[\x80-\x8f][\x80-\xbf]{2} )++ (*SKIP)(*F)
      | \xf0[\x90-\xbf][\x80-\xbf]? | [\xf1-\xf3][\x80-\xbf]{1,2} | \xf4[\x80-\x8f][\x80-\xbf]?
      | \xe0[\xa0-\xbf] | [\xe1-\xec\xee\xef][\x80-\xbf] | \xed[\x80-\x9f]
      | . /xs';

    public static function lossy(string $text): string
    {
        // In pieces, because a possessive group over megabytes meets pcre.backtrack_limit.
        if (strlen($text) > 65536) {
            $cut = 65536;
            while ($cut > 65530 && (ord($text[$cut]) & 0xc0) === 0x80) {
                $cut--;
            }
            return self::lossy(substr($text, 0, $cut)) . self::lossy(substr($text, $cut));
        }
        return preg_replace(self::SEQUENCES, "\u{FFFD}", $text) ?? '';
    }
}
