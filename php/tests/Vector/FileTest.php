<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Exception\IndexDamaged;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;
use Lyger\Vector\Index;
use PHPUnit\Framework\TestCase;
use RuntimeException;

/** Indexes as files. */
final class FileTest extends TestCase
{
    private string $folder;

    protected function setUp(): void
    {
        $this->folder = sys_get_temp_dir() . '/lyger-vectors-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
    }

    protected function tearDown(): void
    {
        array_map(unlink(...), glob("$this->folder/{,.}*[!.]*", GLOB_BRACE) ?: []);
        rmdir($this->folder);
    }

    public function test_what_is_saved_is_loaded(): void
    {
        $index = Index::of(33);
        $ids = [...range(2500, 1, -2), PHP_INT_MIN, PHP_INT_MAX, -1, 0];
        $index->add($ids, Numbers::packed(count($ids), 33));
        $index->save("$this->folder/index");
        $loaded = Index::load("$this->folder/index");
        self::assertSame([33, count($ids)], [$loaded->dimension(), count($loaded)]);
        foreach ($ids as $id) {
            self::assertSame($index->vector($id), $loaded->vector($id));
        }
        $query = Numbers::packed(1, 33, 3);
        $found = iterator_to_array($index->search($query, 50));
        self::assertSame($found, iterator_to_array($loaded->search($query, 50)));
        $loaded->add(1, Numbers::packed(1, 33, 9));
        self::assertSame(count($ids) + 1, count($loaded));
    }

    public function test_an_empty_index_is_a_file_too(): void
    {
        Index::of(3)->save("$this->folder/index");
        $loaded = Index::load("$this->folder/index");
        self::assertSame([3, 0], [$loaded->dimension(), count($loaded)]);
        self::assertSame(32, filesize("$this->folder/index"));
    }

    public function test_the_bytes_are_those_of_the_documentation(): void
    {
        $index = Index::of(2);
        $index->add([7, 9, -3], [[0, 0], [1, 2.5], [-1, 0.1]]);
        $index->remove(7);
        $index->save("$this->folder/index");
        $bytes = 'LYGERVEC' . pack('VVP', 1, 2, 2) . pack('P*', -3, 9) . pack('g*', -1, 0.1, 1, 2.5);
        $bytes .= strrev(hash('xxh3', $bytes, true));
        self::assertSame(bin2hex($bytes), bin2hex((string) file_get_contents("$this->folder/index")));
    }

    public function test_a_file_that_is_there_is_replaced_and_nothing_lies_beside_it(): void
    {
        self::plane()->save("$this->folder/index");
        Index::of(5)->save("$this->folder/index");
        self::assertSame(5, Index::load("$this->folder/index")->dimension());
        self::assertSame(['index'], array_values(array_diff(scandir($this->folder), ['.', '..'])));
    }

    public function test_a_file_that_cannot_be_written_is_told_and_the_old_one_stays(): void
    {
        $this->expectRefusal("$this->folder/none/index can't be written: No such file or directory", function (): void {
            self::plane()->save("$this->folder/none/index");
        });
        mkdir("$this->folder/full");
        try {
            $this->expectRefusal("$this->folder/full can't be written: ", function (): void {
                self::plane()->save("$this->folder/full");
            });
            self::assertSame(['full'], array_values(array_diff(scandir($this->folder), ['.', '..'])));
        } finally {
            rmdir("$this->folder/full");
        }
    }

    public function test_every_byte_that_is_changed_is_noticed(): void
    {
        self::plane()->save("$this->folder/index");
        $bytes = (string) file_get_contents("$this->folder/index");
        for ($at = 0; $at < strlen($bytes); $at++) {
            $changed = $bytes;
            $changed[$at] = chr(ord($bytes[$at]) ^ 0x10);
            file_put_contents("$this->folder/changed", $changed);
            $this->expectRefusal("$this->folder/changed is no index: ", fn () => Index::load("$this->folder/changed"));
        }
    }

    public function test_every_cut_is_noticed(): void
    {
        self::plane()->save("$this->folder/index");
        $bytes = (string) file_get_contents("$this->folder/index");
        for ($length = 0; $length < strlen($bytes); $length++) {
            file_put_contents("$this->folder/cut", substr($bytes, 0, $length));
            $this->expectRefusal("$this->folder/cut is no index: it has $length bytes", fn ()
                => Index::load("$this->folder/cut"));
        }
        file_put_contents("$this->folder/cut", "$bytes.");
        $this->expectRefusal("$this->folder/cut is no index: it has 73 bytes; 2 vectors of 3 elements have 72", fn ()
            => Index::load("$this->folder/cut"));
    }

    /** @return array<string, array{string, string}> message and content */
    public function foreign(): array
    {
        $sealed = static fn (string $bytes): string => $bytes . strrev(hash('xxh3', $bytes, true));
        return [
            'another program\'s' => ["it doesn't begin with LYGERVEC", str_repeat('x', 64)],
            'a later version' => [
                'its version is 2, and this engine reads 1',
                $sealed('LYGERVEC' . pack('VVP', 2, 1, 0)),
            ],
            'ids that descend' => [
                "its ids don't ascend: 9 comes before 8",
                $sealed('LYGERVEC' . pack('VVP', 1, 1, 2) . pack('P*', 9, 8) . pack('g*', 1, 2)),
            ],
            'no number' => [
                'the vector of id 8 has NaN at element 0: only finite numbers can be compared',
                $sealed('LYGERVEC' . pack('VVP', 1, 1, 1) . pack('P*', 8) . pack('g*', NAN)),
            ],
            'an id twice' => [
                "its ids don't ascend: 9 comes before 9",
                $sealed('LYGERVEC' . pack('VVP', 1, 1, 3) . pack('P*', 7, 9, 9) . pack('g*', 1, 2, 3)),
            ],
            'an id twice, and changed' => [
                'its checksum is wrong: it was changed, or written in part',
                'LYGERVEC' . pack('VVP', 1, 1, 2) . pack('P*', 9, 9) . pack('g*', 1, 2) . 'checksum',
            ],
            'no elements' => ['its vectors have no elements', $sealed('LYGERVEC' . pack('VVP', 1, 0, 0))],
            'vectors of no elements' => [
                'its vectors have no elements',
                $sealed('LYGERVEC' . pack('VVP', 1, 0, 2) . pack('P*', 1, 2)),
            ],
            'no vectors' => [
                'it has 32 bytes; 3 vectors of 2 elements have 80',
                $sealed('LYGERVEC' . pack('VVP', 1, 2, 3)),
            ],
            'the most that a number has room for' => [
                'it has 32 bytes; 768614336404564647 vectors of 1 elements have 9223372036854775796',
                $sealed('LYGERVEC' . pack('VVP', 1, 1, 768_614_336_404_564_647)),
            ],
            'one more' => [
                'it has 32 bytes; 768614336404564648 vectors of 1 elements have more than any file',
                $sealed('LYGERVEC' . pack('VVP', 1, 1, 768_614_336_404_564_648)),
            ],
            'more than there can be' => [
                'it has 32 bytes; 18446744073709551615 vectors of 4294967295 elements have more than any file',
                $sealed('LYGERVEC' . pack('VVP', 1, 0xffffffff, -1)),
            ],
            'nothing' => ['it has 0 bytes, and the smallest has 32', ''],
        ];
    }

    /** @dataProvider foreign */
    public function test_a_file_that_is_no_index_is_told(string $message, string $content): void
    {
        file_put_contents("$this->folder/foreign", $content);
        try {
            Index::load("$this->folder/foreign");
            self::fail("expected: $message");
        } catch (IndexDamaged $exception) {
            self::assertSame("$this->folder/foreign is no index: $message", $exception->getMessage());
        }
    }

    public function test_an_index_of_more_elements_than_the_limit_is_no_damaged_file(): void
    {
        $bytes = 'LYGERVEC' . pack('VVP', 1, 65_537, 0);
        file_put_contents("$this->folder/large", $bytes . strrev(hash('xxh3', $bytes, true)));
        $this->expectException(InvalidArgument::class);
        $this->expectExceptionMessage('vectors have 1 to 65536 elements (vector.dimension_max), not 65537');
        Index::load("$this->folder/large");
    }

    public function test_a_file_that_is_not_there_is_told(): void
    {
        $this->expectRefusal("$this->folder/none can't be read: No such file or directory", fn ()
            => Index::load("$this->folder/none"));
        $this->expectRefusal("$this->folder is no index: it isn't a file", fn () => Index::load($this->folder));
    }

    public function test_what_looks_like_a_url_is_the_name_of_a_file(): void
    {
        $before = (string) getcwd();
        chdir($this->folder);
        try {
            foreach (["file://$this->folder/a", 'http://127.0.0.1:1/a', 'php://memory', 'glob:///tmp/*'] as $url) {
                $none = 'No such file or directory';
                $this->expectRefusal("$url can't be written: $none", static fn () => self::plane()->save($url));
                $this->expectRefusal("$url can't be read: $none", static fn () => Index::load($url));
            }
            self::plane()->save('data:,x');
            self::assertFileExists("$this->folder/data:,x");
            self::assertCount(2, Index::load('data:,x'));
        } finally {
            chdir($before);
        }
        self::assertFileDoesNotExist("$this->folder/a");
    }

    public function test_a_name_may_be_a_link_to_it(): void
    {
        self::plane()->save("$this->folder/index");
        symlink("$this->folder/index", "$this->folder/link");
        self::assertCount(2, Index::load("$this->folder/link"));
    }

    public function test_a_link_is_replaced_and_what_it_named_stays(): void
    {
        self::plane()->save("$this->folder/index");
        $before = file_get_contents("$this->folder/index");
        symlink("$this->folder/index", "$this->folder/link");
        Index::of(5)->save("$this->folder/link");
        self::assertFalse(is_link("$this->folder/link"));
        self::assertSame(5, Index::load("$this->folder/link")->dimension());
        self::assertSame($before, file_get_contents("$this->folder/index"));
    }

    public function test_what_the_system_refuses_while_it_is_written_is_told_and_leaves_nothing(): void
    {
        // Nobody but the shell sets what a file may have at most; without the trap the process would be killed.
        $code = 'require $argv[1]; $index = Lyger\Vector\Index::of(4096); $index->add(1, array_fill(0, 4096, 1));'
            . 'try { $index->save($argv[2]); } catch (Lyger\Exception\IndexFileFailed $e) { echo $e->getMessage(); }';
        $shell = 'trap "" XFSZ; ulimit -f 1; exec "$@"';
        $php = [PHP_BINARY, '-r', $code, '--', dirname(__DIR__, 2) . '/autoload.php', "$this->folder/index"];
        $process = proc_open(['sh', '-c', $shell, 'sh', ...$php], [1 => ['pipe', 'w']], $pipes);
        $message = "$this->folder/index can't be written: File too large";
        self::assertSame($message, stream_get_contents($pipes[1]));
        proc_close($process);
        self::assertSame([], array_values(array_diff(scandir($this->folder), ['.', '..'])));
    }

    public function test_the_applications_handler_of_errors_neither_hears_of_it_nor_hides_it(): void
    {
        set_error_handler(static fn () => throw new RuntimeException('the handler was asked'));
        try {
            $none = "can't be read: No such file or directory";
            $this->expectRefusal("$this->folder/none $none", fn () => Index::load("$this->folder/none"));
            $this->expectExceptionMessage('the handler was asked');
            trigger_error('is it there?');
        } finally {
            restore_error_handler();
        }
    }

    private static function plane(): Index
    {
        $index = Index::of(3);
        $index->add([7, 8], [[1, 2, 3], [4, 5, 6]]);
        return $index;
    }

    /** Of a message's beginning. */
    private function expectRefusal(string $message, callable $work): void
    {
        try {
            $work();
            self::fail("expected: $message");
        } catch (LygerException $exception) {
            self::assertStringStartsWith($message, $exception->getMessage());
        }
    }
}
