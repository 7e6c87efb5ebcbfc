<?php

declare(strict_types=1);

namespace Lyger\Tests\Abi\Misuse;

use Closure;
use FFI;
use FFI\CData;
use Lyger\Core\Library;
use Lyger\Core\Status;
use stdClass;
use Throwable;

/** Calls the engine as nobody should, and counts what it answers. */
final class Probe
{
    public const DSN = 'sqlite::memory:';

    /** A hang in a forked child ends with its alarm, and so counts as a failure. */
    private const HANG_SECONDS = 15;

    public readonly FFI $ffi;
    public readonly CData $buffer;
    public readonly CData $needed;
    public readonly CData $id;
    public int $checks = 0;
    /** @var list<string> */
    public array $failures = [];

    public function __construct()
    {
        $this->ffi = (new Library())->load();
        $this->buffer = $this->ffi->new('char[4096]');
        $this->needed = FFI::addr($this->ffi->new('size_t', false));
        $this->id = FFI::addr($this->ffi->new('uint64_t', false));
    }

    /** @return list<string> the functions of the header */
    public static function declared(): array
    {
        preg_match_all('/\b((?:lyger|engram)_[a-z0-9_]+)\(/', (string) file_get_contents(Library::HEADER), $matches);
        $functions = array_values(array_unique($matches[1]));
        sort($functions);
        return $functions;
    }

    /**
     * By function: `misuse`, which is handed a probe; `valid`, a call that is right, for the forked child; `child`,
     * the status that this call leaves there.
     *
     * @return array<string, array{misuse: Closure, valid: Closure, child: Status}>
     */
    public static function cases(): array
    {
        $cases = [];
        foreach (glob(__DIR__ . '/cases/*.php') ?: [] as $file) {
            $cases += require $file;
        }
        return $cases;
    }

    public function run(string $function): void
    {
        $case = self::cases()[$function] ?? null;
        if ($case === null) {
            return;
        }
        $case['misuse']($this);
        $this->wrongTypes($function);
        $this->forkedChild($case['valid'], $case['child']);
        $this->nothingAndTooMuch($function);
    }

    /** The call returned this status, and the last error says the same. */
    public function gives(Status $expected, int $status): void
    {
        $this->check($status === $expected->value, "gives {$expected->name}", "returned $status");
        $this->leaves($expected, true);
    }

    /** For a seed's function, which has no status: what it returned is right, and the last error says this. */
    public function leaves(Status $expected, bool $returned): void
    {
        $last = $this->lastStatus();
        $this->check($returned && $last === $expected->value, "leaves {$expected->name}", "left $last");
    }

    /** The call throws, as PHP's FFI does for what no C function could take. */
    public function throws(Closure $call): void
    {
        try {
            $call();
            $thrown = false;
        } catch (Throwable) {
            $thrown = true;
        }
        $this->check($thrown, 'throws', 'returned');
    }

    public function check(bool $holds, string $what, string $instead = ''): void
    {
        $this->checks++;
        if (!$holds) {
            $caller = null;
            foreach (debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS) as $frame) {
                if (($frame['file'] ?? __FILE__) !== __FILE__) {
                    $caller = basename($frame['file']) . ":{$frame['line']}";
                    break;
                }
            }
            $this->failures[] = "$caller: $what; $instead; {$this->lastError()}";
        }
    }

    public function lastStatus(): int
    {
        return json_decode($this->lastError(), true)['status'] ?? -1;
    }

    public function lastError(): string
    {
        $buffer = $this->ffi->new('char[8192]');
        $needed = $this->ffi->new('size_t');
        $status = $this->ffi->lyger_last_error($buffer, 8192, FFI::addr($needed));
        return $status === 0 ? FFI::string($buffer, $needed->cdata) : '';
    }

    /**
     * A call on a database, its other fields as named.
     *
     * @param array<string, int> $fields
     */
    public function call(array $fields = [], string $dsn = self::DSN): CData
    {
        $call = $this->ffi->new('lyger_call', false);
        $call->size = FFI::sizeof($call);
        $call->dsn = $this->ffi->cast('char *', $this->bytes($dsn));
        $call->dsn_len = strlen($dsn);
        $call->buf = $this->ffi->cast('char *', $this->buffer);
        foreach ($fields + ['cap' => 4096, 'needed' => 7, 'id' => 7] as $name => $value) {
            $call->{$name} = $value;
        }
        return FFI::addr($call);
    }

    /** A place for a byte. */
    public function flag(): CData
    {
        return FFI::addr($this->ffi->new('uint8_t', false));
    }

    /**
     * A reader of the process's own cache, its other fields as named.
     *
     * @param array<string, mixed> $fields
     */
    public function reader(array $fields = []): CData
    {
        $reader = $this->ffi->new('lyger_reader', false);
        $reader->buf = $this->ffi->cast('char *', $this->buffer);
        foreach ($fields + ['size' => FFI::sizeof($reader), 'store' => 0, 'cap' => 4096] as $name => $value) {
            $reader->{$name} = $value;
        }
        return FFI::addr($reader);
    }

    /** What a function for statements says to what is no call, or none of its. */
    public function misuseCall(string $function): void
    {
        $function = $this->ffi->{$function};
        $this->gives(Status::NullPointer, $function(null, 'SELECT 1', 8, null, 0));
        foreach ([0, 1, 71, 73, -1] as $size) {
            $call = $this->call(['size' => $size]);
            $this->gives(Status::InvalidArgument, $function($call, 'SELECT 1', 8, null, 0));
            $this->check($call->id === 7, 'nothing is set in another structure');
        }
        $call = $this->call();
        $this->gives(Status::NullPointer, $function($call, null, 1, null, 0));
        $this->check($call->id === 0, 'no id on an error');
        $this->gives(Status::TooLong, $function($call, $this->nowhere(), -1, null, 0));
        $this->gives(Status::TooLong, $function($call, 'SELECT ?', 8, $this->nowhere(), (64 << 20) + 1));
        $this->gives(Status::NullPointer, $function($call, 'SELECT ?', 8, null, 1));
        foreach ([8, -1] as $flags) {
            $this->gives(Status::InvalidArgument, $function($this->call(['flags' => $flags]), 'SELECT 1', 8, null, 0));
        }
        $this->gives(Status::InvalidDsn, $function($this->call([], 'oracle://x'), 'SELECT 1', 8, null, 0));
        $this->gives(Status::InvalidUtf8, $function($this->call([], "\xff"), 'SELECT 1', 8, null, 0));
        $call = $this->call(['dsn_len' => -1]);
        $call->dsn = $this->nowhere();
        $this->gives(Status::TooLong, $function($call, 'SELECT 1', 8, null, 0));
    }

    /** What an output function wrote. */
    public function written(): string
    {
        return FFI::string($this->buffer, $this->needed[0]);
    }

    /** An address that is no memory: whoever follows it crashes. */
    public function nowhere(string $type = 'char'): CData
    {
        $address = $this->ffi->new('uintptr_t', false);
        $address->cdata = 16;
        return $this->ffi->cast("$type*", $address);
    }

    public function bytes(string $bytes): CData
    {
        $copy = $this->ffi->new('uint8_t[' . max(1, strlen($bytes)) . ']', false);
        FFI::memcpy($copy, $bytes, strlen($bytes));
        return $this->ffi->cast('uint8_t*', FFI::addr($copy));
    }

    public function query(string $sql = 'SELECT 1 AS n'): int
    {
        return $this->ffi->lyger_db_query(self::DSN, $sql);
    }

    /** @return list<int> ids that are near a real one, or near nothing */
    public static function forged(int $id): array
    {
        $forged = [0, 1, -1, PHP_INT_MAX, PHP_INT_MIN, $id + 1, $id - 1];
        for ($bit = 0; $bit < 64; $bit++) {
            $forged[] = $id ^ (1 << $bit);
        }
        return $forged;
    }

    // Too few arguments, one too many, and values that C doesn't have: PHP's FFI makes numbers of them where it must
    // have numbers, and throws where it must have pointers.
    private function wrongTypes(string $function): void
    {
        $parameters = self::parameters($function);
        $count = count($parameters);
        if ($count > 0) {
            $this->throws(fn () => $this->ffi->{$function}(...array_fill(0, $count - 1, null)));
        }
        $this->throws(fn () => $this->ffi->{$function}(...array_fill(0, $count + 1, null)));
        foreach ($parameters as $at => $parameter) {
            foreach ([[], new stdClass(), fopen('php://memory', 'r')] as $wrong) {
                $arguments = array_fill(0, $count, null);
                $arguments[$at] = $wrong;
                if (str_contains($parameter, '*')) {
                    $this->throws(fn () => $this->ffi->{$function}(...$arguments));
                } else {
                    $returned = @$this->ffi->{$function}(...$arguments);
                    $this->check($returned !== Status::Panic->value, "$function with a " . get_debug_type($wrong));
                }
            }
        }
        $this->ffi->lyger_server_stop();
    }

    // Every pointer null, and every number 0, -1 (the largest unsigned one) or PHP's ends: the call returns.
    private function nothingAndTooMuch(string $function): void
    {
        foreach ([0, -1, 1, PHP_INT_MAX, PHP_INT_MIN] as $number) {
            $arguments = array_map(
                static fn (string $parameter) => str_contains($parameter, '*') ? null : $number,
                self::parameters($function),
            );
            $returned = $this->ffi->{$function}(...$arguments);
            $this->check($returned !== Status::Panic->value, "$function with nothing and $number");
            $this->ffi->lyger_server_stop();
        }
    }

    private function forkedChild(Closure $valid, Status $expected): void
    {
        // From here on the engine is this process's.
        $this->ffi->lyger_cache_store('k', 1, 'v', 1);
        $this->ffi->lyger_result_free($this->query());
        $child = pcntl_fork();
        if ($child === 0) {
            pcntl_alarm(self::HANG_SECONDS);
            $valid($this);
            $last = $this->lastStatus();
            fwrite(STDERR, $last === $expected->value ? '' : "in the forked child: {$this->lastError()}\n");
            exit($last === $expected->value ? 0 : 1);
        }
        pcntl_waitpid($child, $status);
        $ended = pcntl_wifexited($status) ? 'exit ' . pcntl_wexitstatus($status) : 'signal ' . pcntl_wtermsig($status);
        $this->check($ended === 'exit 0', "{$expected->name} in a forked child", $ended);
    }

    /** @return list<string> */
    private static function parameters(string $function): array
    {
        preg_match("/\\b$function\\(([^)]*)\\)/", (string) file_get_contents(Library::HEADER), $matches);
        return $matches[1] === 'void' ? [] : array_map('trim', explode(',', $matches[1]));
    }
}
