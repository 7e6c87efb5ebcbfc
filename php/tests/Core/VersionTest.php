<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use Lyger\Core\Engine;
use PHPUnit\Framework\TestCase;

/** One version for the library, the kernels and the PHP layer. */
final class VersionTest extends TestCase
{
    private const ROOT = __DIR__ . '/../../..';

    public function test_every_manifest_has_the_version_of_the_php_layer(): void
    {
        $version = preg_quote(Engine::VERSION);
        $manifests = [
            'Cargo.toml' => "/^\\[package\\][^\\[]*^version = \"$version\"$/m",
            'Cargo.lock' => "/^name = \"lyger\"\\nversion = \"$version\"$/m",
            'build.zig.zon' => "/^ +\\.version = \"$version\",$/m",
            // It takes Cargo.toml's.
            'flake.nix' => '/inherit \(manifest\.package\) version;/',
        ];
        foreach ($manifests as $file => $pattern) {
            self::assertMatchesRegularExpression($pattern, (string) file_get_contents(self::ROOT . "/$file"), $file);
        }
        // Composer takes a package's version from its tag.
        $composer = json_decode((string) file_get_contents(self::ROOT . '/php/composer.json'), true);
        self::assertSame(Engine::VERSION, $composer['version'] ?? Engine::VERSION);
    }

    public function test_the_php_layer_says_it_in_one_place(): void
    {
        $said = [];
        $files = new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator(self::ROOT . '/php/src'));
        foreach ($files as $file) {
            if ($file->isFile() && str_contains((string) file_get_contents($file->getPathname()), Engine::VERSION)) {
                $said[] = $file->getFilename();
            }
        }
        self::assertSame(['Engine.php'], $said);
    }
}
