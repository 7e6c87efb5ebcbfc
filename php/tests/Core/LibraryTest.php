<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use Lyger\Core\Library;
use Lyger\Exception\EngineMissing;
use PHPUnit\Framework\TestCase;

final class LibraryTest extends TestCase
{
    private string $root;

    protected function setUp(): void
    {
        putenv('LYGER_LIBRARY');
        putenv('CARGO_TARGET_DIR');
        $this->root = sys_get_temp_dir() . '/lyger-library-' . bin2hex(random_bytes(6));
        mkdir("{$this->root}/php/libraries/libs/Linux", 0777, true);
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->root));
        putenv('LYGER_LIBRARY' . (self::$library === false ? '' : '=' . self::$library));
        putenv('CARGO_TARGET_DIR' . (self::$target === false ? '' : '=' . self::$target));
    }

    private static string|false $library;
    private static string|false $target;

    public static function setUpBeforeClass(): void
    {
        self::$library = getenv('LYGER_LIBRARY');
        self::$target = getenv('CARGO_TARGET_DIR');
    }

    /** @dataProvider platforms */
    public function test_both_naming_schemes_of_the_seeds_are_searched(string $os, string $machine, array $names): void
    {
        $library = new Library('/r', $os, $machine);
        self::assertSame(
            array_map(static fn (string $name): string => "/r/libraries/$name", $names),
            $library->candidates(),
        );
    }

    public function platforms(): array
    {
        return [
            ['Linux', 'x86_64', ['libs/Linux/lyger-Linux-x64.so', 'lyger_Linux_x86_64.so', 'lyger.so']],
            ['Linux', 'aarch64', [
                'libs/Linux/lyger-Linux-arm64.so', 'lyger_Linux_arm64.so', 'lyger_Linux_aarch64.so', 'lyger.so',
            ]],
            ['Darwin', 'arm64', [
                'libs/Mac/lyger-MacOS-ARM64.dylib', 'lyger_Darwin_arm64.dylib', 'lyger_Darwin_aarch64.dylib',
                'lyger.dylib', 'lyger.so',
            ]],
            ['Darwin', 'x86_64', [
                'libs/Mac/lyger-MacOS-Intel.dylib', 'lyger_Darwin_x86_64.dylib', 'lyger.dylib', 'lyger.so',
            ]],
            ['Windows', 'AMD64', ['libs/Win/lyger-Windows-x64.dll', 'lyger_Windows_x86_64.dll', 'lyger.dll']],
        ];
    }

    public function test_the_installed_library_goes_before_generic_names_and_the_build_of_a_checkout(): void
    {
        $library = new Library("{$this->root}/php", 'Linux', 'x86_64');
        touch("{$this->root}/Cargo.toml");
        $files = [
            'target/debug/liblyger.so', 'target/release/liblyger.so', 'php/libraries/lyger.so',
            'php/libraries/lyger_Linux_x86_64.so', 'php/libraries/libs/Linux/lyger-Linux-x64.so',
        ];
        mkdir("{$this->root}/target/debug", 0777, true);
        mkdir("{$this->root}/target/release");
        foreach ($files as $file) {
            touch("{$this->root}/$file");
            self::assertSame("{$this->root}/$file", $library->path());
        }
        touch("{$this->root}/named.so");
        putenv("LYGER_LIBRARY={$this->root}/named.so");
        self::assertSame("{$this->root}/named.so", $library->path());
    }

    public function test_a_target_folder_counts_only_in_a_checkout(): void
    {
        mkdir("{$this->root}/target/release", 0777, true);
        touch("{$this->root}/target/release/liblyger.so");
        $this->expectException(EngineMissing::class);
        $this->expectExceptionMessage('no library for Linux riscv64');
        (new Library("{$this->root}/php", 'Linux', 'riscv64'))->path();
    }

    public function test_a_named_library_that_does_not_exist_is_not_replaced_by_another(): void
    {
        touch("{$this->root}/php/libraries/lyger.so");
        putenv('LYGER_LIBRARY=/no/such/file.so');
        $this->expectException(EngineMissing::class);
        $this->expectExceptionMessage('/no/such/file.so');
        (new Library("{$this->root}/php", 'Linux', 'x86_64'))->path();
    }

    public function test_a_file_that_is_no_library_is_told(): void
    {
        file_put_contents("{$this->root}/named.so", 'no library');
        putenv("LYGER_LIBRARY={$this->root}/named.so");
        $this->expectException(EngineMissing::class);
        $this->expectExceptionMessage('cannot be loaded');
        (new Library())->load();
    }
}
