<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

// A call with every id that isn't a live result's, and with one that is freed twice. No other result may be live, or
// an id with a bit flipped could be its.
$wrongIds = static fn (Closure $call): Closure => static function (Probe $p) use ($call): void {
    $id = $p->query();
    foreach (Probe::forged($id) as $forged) {
        $call($p, $forged);
        $p->leaves(Status::InvalidHandle, true);
    }
    $p->gives(Status::Ok, $p->ffi->lyger_result_free($id));
    $call($p, $id);
    $p->leaves(Status::InvalidHandle, true);
    // Its slot is in use again.
    $other = $p->query();
    $call($p, $id);
    $p->leaves(Status::InvalidHandle, true);
    $p->gives(Status::Ok, $p->ffi->lyger_result_free($other));
};

$execute = static function (Probe $p, ?string $dsn, ?string $sql, string $params = ''): int {
    return $p->ffi->lyger_db_execute(
        $dsn,
        strlen($dsn ?? ''),
        $sql,
        strlen($sql ?? ''),
        $params === '' ? null : $p->bytes($params),
        strlen($params),
        $p->id,
    );
};

// Outputs of a result into (buf, cap, needed).
$output = static fn (string $function, string $expected): array => [
    'misuse' => static function (Probe $p) use ($function, $expected, $wrongIds): void {
        $id = $p->query("SELECT 'ü' AS t");
        $p->gives(Status::NullPointer, $p->ffi->{$function}($id, $p->buffer, 4096, null));
        $p->gives(Status::NullPointer, $p->ffi->{$function}($id, null, 4096, $p->needed));
        $p->gives(Status::TooLong, $p->ffi->{$function}($id, $p->buffer, -1, $p->needed));
        $p->gives(Status::BufferTooSmall, $p->ffi->{$function}($id, null, 0, $p->needed));
        $p->gives(Status::BufferTooSmall, $p->ffi->{$function}($id, $p->buffer, $p->needed[0] - 1, $p->needed));
        $p->gives(Status::Ok, $p->ffi->{$function}($id, $p->buffer, $p->needed[0], $p->needed));
        $p->check($p->written() === $expected, $expected, $p->written());
        $p->gives(Status::Ok, $p->ffi->lyger_result_free($id));
        $wrongIds(static fn (Probe $p, int $id) => $p->ffi->{$function}($id, $p->buffer, 4096, $p->needed))($p);
    },
    'valid' => static fn (Probe $p) => $p->ffi->{$function}($p->query(), $p->buffer, 4096, $p->needed),
    'child' => Status::WrongProcess,
];

// One row by columns.
$seven = 'c' . pack('VV', 1, 1) . 'n' . pack('V', 1) . 'i' . pack('VVq', 0, 8, 7);

return [
    'lyger_rows_json' => [
        'misuse' => static function (Probe $p) use ($seven): void {
            $json = static fn (?string $rows, int $bytes, mixed $buffer, int $room): int
                => $p->ffi->lyger_rows_json($rows, $bytes, $buffer, $room, $p->needed);
            $length = strlen($seven);
            $p->gives(Status::NullPointer, $json(null, 1, $p->buffer, 4096));
            $p->gives(Status::NullPointer, $json($seven, $length, null, 4096));
            $status = $p->ffi->lyger_rows_json($seven, $length, $p->buffer, 4096, null);
            $p->gives(Status::NullPointer, $status);
            $p->gives(Status::TooLong, $json($seven, $length, $p->buffer, -1));
            $status = $p->ffi->lyger_rows_json($p->nowhere(), (1 << 30) + 1, $p->buffer, 4096, $p->needed);
            $p->gives(Status::TooLong, $status);
            $p->gives(Status::NotFound, $json(null, 0, $p->buffer, 4096));
            for ($cut = 0; $cut < $length; $cut++) {
                $p->gives(Status::NotFound, $json($seven, $cut, $p->buffer, 4096));
            }
            $p->gives(Status::BufferTooSmall, $json($seven, $length, null, 0));
            $p->gives(Status::Ok, $json($seven, $length, $p->buffer, $p->needed[0]));
            $p->check($p->written() === '[{"n":7}]', 'JSON', $p->written());
        },
        'valid' => static fn (Probe $p)
            => $p->ffi->lyger_rows_json($seven, strlen($seven), $p->buffer, 4096, $p->needed),
        'child' => Status::Ok,
    ],
    'lyger_db_query' => [
        'misuse' => static function (Probe $p): void {
            foreach (
                [
                    [null, 'SELECT 1', Status::NullPointer],
                    [Probe::DSN, null, Status::NullPointer],
                    [str_repeat('d', 4097), 'SELECT 1', Status::TooLong],
                    [Probe::DSN, str_repeat(' ', (16 << 20) + 1), Status::TooLong],
                    ["sqlite:\xff", 'SELECT 1', Status::InvalidUtf8],
                    [Probe::DSN, "SELECT '\xff'", Status::InvalidUtf8],
                    ['', 'SELECT 1', Status::InvalidDsn],
                    ['oracle://x/y', 'SELECT 1', Status::InvalidDsn],
                    [Probe::DSN, 'SELEC 1', Status::QueryFailed],
                    ['postgres://nobody@127.0.0.1:1/none', 'SELECT 1', Status::ConnectionFailed],
                ] as [$dsn, $sql, $status]
            ) {
                $p->leaves($status, $p->ffi->lyger_db_query($dsn, $sql) === 0);
            }
            // A C string ends at its first NUL.
            $id = $p->ffi->lyger_db_query(Probe::DSN, "SELECT 1\0; DROP TABLE x");
            $p->leaves(Status::Ok, $id > 0 && $id < 2 ** 53);
        },
        'valid' => static fn (Probe $p) => $p->query(),
        'child' => Status::WrongProcess,
    ],
    'lyger_db_execute' => [
        'misuse' => static function (Probe $p) use ($execute): void {
            $dsn = Probe::DSN;
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_execute($dsn, 15, 'SELECT 1', 8, null, 0, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_execute(null, 1, 'SELECT 1', 8, null, 0, $p->id));
            $p->check($p->id[0] === 0, 'no id on an error');
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_execute($dsn, 15, null, 1, null, 0, $p->id));
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_execute($dsn, 15, 'SELECT 1', 8, null, 1, $p->id));
            foreach ([4097, -1] as $len) {
                $p->gives(Status::TooLong, $p->ffi->lyger_db_execute($p->nowhere(), $len, 'x', 1, null, 0, $p->id));
            }
            foreach ([(16 << 20) + 1, -1] as $len) {
                $p->gives(Status::TooLong, $p->ffi->lyger_db_execute($dsn, 15, $p->nowhere(), $len, null, 0, $p->id));
            }
            foreach ([(64 << 20) + 1, -1] as $len) {
                $far = $p->nowhere('uint8_t');
                $p->gives(Status::TooLong, $p->ffi->lyger_db_execute($dsn, 15, 'SELECT 1', 8, $far, $len, $p->id));
            }
            $p->gives(Status::InvalidDsn, $execute($p, null, 'SELECT 1'));
            $p->gives(Status::InvalidDsn, $execute($p, "sqlite:a\0b", 'SELECT 1'));
            $p->gives(Status::InvalidUtf8, $execute($p, "\xff", 'SELECT 1'));
            $p->gives(Status::InvalidUtf8, $execute($p, $dsn, "SELECT '\xff'"));
            $p->gives(Status::InvalidArgument, $execute($p, $dsn, "SELECT 1\0; DROP TABLE x"));
            $p->gives(Status::QueryFailed, $execute($p, $dsn, null));
            $lies = ["\1", "\1\0\0\0", "\xff\xff\xff\xff", "\1\0\0\0\x09", "\1\0\0\0\3\0", "\1\0\0\0\5\xff\xff\xff\xff",
                "\1\0\0\0\7\xff\xff\xff\xff", "\1\0\0\0\7\1\0\0\0\7\0\0\0\0", "\1\0\0\0\7\0\0\0\0",
                "\xff\xff\xff\xff\1\0\0\0\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff",
                "\xff\xff\xff\xff\1\0\0\0\1\0\0\0\xff\0", "\xff\xff\xff\xff\1\0\0\0\1\0\0\0a\0",
                "\1\0\0\0\5\1\0\0\0\xff", "\1\0\0\0\0more", "\2\0\0\0\0\0", "\0\0\0\0"];
            foreach ($lies as $lie) {
                $p->gives(Status::InvalidParams, $execute($p, $dsn, 'SELECT ?', $lie));
            }
            $p->gives(Status::Ok, $execute($p, $dsn, 'SELECT :a', "\xff\xff\xff\xff\1\0\0\0\1\0\0\0a\0"));
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($p->id[0]));
            $p->gives(Status::Ok, $execute($p, $dsn, 'SELECT ? AS b', "\1\0\0\0\6\3\0\0\0a\0\xff"));
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($p->id[0]));
        },
        'valid' => static fn (Probe $p) => $execute($p, Probe::DSN, 'SELECT 1'),
        'child' => Status::WrongProcess,
    ],
    'lyger_db_run' => [
        'misuse' => static function (Probe $p): void {
            $p->misuseCall('lyger_db_run');
            $call = $p->call(['flags' => 3]);
            $p->gives(Status::QueryFailed, $p->ffi->lyger_db_run($call, 'SELEC 1', 7, null, 0));
            $p->gives(Status::Ok, $p->ffi->lyger_db_run($call, 'SELECT 1', 8, null, 0));
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($call->id));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_db_run($p->call(), 'SELECT 1', 8, null, 0),
        'child' => Status::WrongProcess,
    ],
    'lyger_db_fetch' => [
        'misuse' => static function (Probe $p): void {
            $p->misuseCall('lyger_db_fetch');
            $call = $p->call();
            $fetch = static function (string $sql, int $form, int $cap = 4096, ?string $params = null) use ($p, $call) {
                [$call->form, $call->cap] = [$form, $cap];
                return $p->ffi->lyger_db_fetch($call, $sql, strlen($sql), $params, strlen($params ?? ''));
            };
            $p->gives(Status::TooLong, $fetch('SELECT 1', 0, -1));
            $p->check($call->id === 0 && $call->needed === 0, 'nothing on an error');
            $p->gives(Status::InvalidParams, $fetch('SELECT ?', 0, 4096, "\1"));
            foreach ([4, -1] as $form) {
                $p->gives(Status::InvalidArgument, $fetch('SELECT 1', $form));
            }
            $p->gives(Status::QueryFailed, $fetch('SELEC 1 ', 0));
            $rows = serialize([[1 => 1]]);
            foreach ([$rows, $rows, serialize([1]), '[{"1":1}]'] as $form => $expected) {
                $p->gives(Status::Ok, $fetch('SELECT 1', $form));
                $written = FFI::string($p->buffer, $call->needed);
                $p->check($written === $expected && $call->id === 0, $expected, $written);
                $p->gives(Status::BufferTooSmall, $fetch('SELECT 1', $form, 3));
                $p->gives(Status::Ok, $p->ffi->lyger_result_free($call->id));
            }
            $call->buf = null;
            $p->gives(Status::NullPointer, $fetch('SELECT 1', 0));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_db_fetch($p->call(), 'SELECT 1', 8, null, 0),
        'child' => Status::WrongProcess,
    ],
    'lyger_result_column' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $column = static fn (int $id, int $column, mixed $cap = 4096): int
                => $p->ffi->lyger_result_column($id, $column, $p->buffer, $cap, $p->needed);
            $id = $p->query("SELECT 'a' AS t, 1 AS n UNION ALL SELECT 'ü', NULL");
            $p->gives(Status::NullPointer, $p->ffi->lyger_result_column($id, 0, $p->buffer, 4096, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_result_column($id, 0, null, 4096, $p->needed));
            $p->gives(Status::TooLong, $column($id, 0, -1));
            $p->gives(Status::BufferTooSmall, $column($id, 0, 10));
            foreach ([2, -1] as $none) {
                $p->gives(Status::InvalidArgument, $column($id, $none));
            }
            foreach ([['a', 'ü'], [1, null]] as $index => $values) {
                $p->gives(Status::Ok, $column($id, $index));
                $p->check($p->written() === serialize($values), serialize($values), $p->written());
            }
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($id));
            $wrongIds(static fn (Probe $p, int $id)
                => $p->ffi->lyger_result_column($id, 0, $p->buffer, 4096, $p->needed))($p);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_result_column($p->query(), 0, $p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_db_keeps' => [
        'misuse' => static function (Probe $p): void {
            $keeps = $p->ffi->new('uint8_t[1]');
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_keeps(Probe::DSN, 15, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_keeps(null, 1, $keeps));
            $p->gives(Status::TooLong, $p->ffi->lyger_db_keeps($p->nowhere(), -1, $keeps));
            $p->gives(Status::InvalidUtf8, $p->ffi->lyger_db_keeps("\xff", 1, $keeps));
            $p->query();
            $p->gives(Status::InvalidDsn, $p->ffi->lyger_db_keeps('oracle://x', 10, $keeps));
            $p->gives(Status::Ok, $p->ffi->lyger_db_keeps(Probe::DSN, 15, $keeps));
            $p->check($keeps[0] === 0, 'nothing is kept');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_db_keeps(Probe::DSN, 15, $p->ffi->new('uint8_t[1]')),
        'child' => Status::WrongProcess,
    ],
    'lyger_db_state' => [
        'misuse' => static function (Probe $p): void {
            $state = $p->ffi->new('int32_t[1]');
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_state(Probe::DSN, 15, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_db_state(null, 1, $state));
            $p->gives(Status::TooLong, $p->ffi->lyger_db_state($p->nowhere(), -1, $state));
            $p->gives(Status::InvalidUtf8, $p->ffi->lyger_db_state("\xff", 1, $state));
            $p->gives(Status::InvalidDsn, $p->ffi->lyger_db_state('oracle://x', 10, $state));
            $p->gives(Status::Ok, $p->ffi->lyger_db_state(Probe::DSN, 15, $state));
            $p->check($state[0] === 0, 'nothing is open');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_db_state(Probe::DSN, 15, $p->ffi->new('int32_t[1]')),
        'child' => Status::WrongProcess,
    ],
    'lyger_db_end' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::Ok, $p->ffi->lyger_db_end());
            $p->gives(Status::Ok, $p->ffi->lyger_db_end());
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_db_end(),
        'child' => Status::WrongProcess,
    ],
    'lyger_stream_open' => [
        'misuse' => static function (Probe $p): void {
            $p->misuseCall('lyger_stream_open');
            $call = $p->call();
            $p->gives(Status::QueryFailed, $p->ffi->lyger_stream_open($call, 'SELEC 1', 7, null, 0));
            $p->gives(Status::Ok, $p->ffi->lyger_stream_open($call, 'SELECT 1', 8, null, 0));
            $p->gives(Status::Ok, $p->ffi->lyger_stream_close($call->id));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_stream_open($p->call(), 'SELECT 1', 8, null, 0),
        'child' => Status::WrongProcess,
    ],
    'lyger_stream_next' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $wrongIds(static fn (Probe $p, int $id) => $p->ffi->lyger_stream_next($id, $p->id))($p);
            $p->gives(Status::NullPointer, $p->ffi->lyger_stream_next(1, null));
        },
        'valid' => static function (Probe $p): int {
            $p->ffi->lyger_stream_open($call = $p->call(), 'SELECT 1', 8, null, 0);
            return $p->ffi->lyger_stream_next($call->id, $p->id);
        },
        'child' => Status::WrongProcess,
    ],
    'lyger_stream_close' => [
        'misuse' => $wrongIds(static fn (Probe $p, int $id) => $p->ffi->lyger_stream_close($id)),
        'valid' => static function (Probe $p): int {
            $p->ffi->lyger_stream_open($call = $p->call(), 'SELECT 1', 8, null, 0);
            return $p->ffi->lyger_stream_close($call->id);
        },
        'child' => Status::WrongProcess,
    ],
    'lyger_result_json' => $output('lyger_result_json', '[{"t":"ü"}]'),
    'lyger_result_rows' => $output('lyger_result_rows', serialize([['t' => 'ü']])),
    'lyger_result_shaped' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $id = $p->query("SELECT 'ü' AS t");
            $shaped = static fn (?string $options, int $bytes, mixed $buffer, int $room): int
                => $p->ffi->lyger_result_shaped($id, $options, $bytes, 9, $buffer, $room, $p->needed);
            $csv = '{"shape":"csv"}';
            $p->gives(Status::NullPointer, $shaped(null, 1, $p->buffer, 4096));
            $p->gives(Status::NullPointer, $shaped($csv, 15, null, 4096));
            $status = $p->ffi->lyger_result_shaped($id, $csv, 15, 9, $p->buffer, 4096, null);
            $p->gives(Status::NullPointer, $status);
            $p->gives(Status::TooLong, $shaped($csv, 15, $p->buffer, -1));
            $status = $p->ffi->lyger_result_shaped($id, $p->nowhere(), 65_537, 9, $p->buffer, 4096, $p->needed);
            $p->gives(Status::TooLong, $status);
            foreach (["\xff", '{', '{"shape":"star"}', '{"shape":"keyed","key":"x"}'] as $wrong) {
                $p->gives(Status::InvalidArgument, $shaped($wrong, strlen($wrong), $p->buffer, 4096));
            }
            $p->gives(Status::BufferTooSmall, $shaped($csv, 15, null, 0));
            $p->gives(Status::Ok, $shaped($csv, 15, $p->buffer, $p->needed[0]));
            $p->check($p->written() === "t\r\nü\r\n", 'CSV', $p->written());
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($id));
            $id = $p->query('SELECT 1 AS n WHERE 0');
            $single = '{"shape":"single"}';
            $status = $p->ffi->lyger_result_shaped($id, $single, 18, 0, $p->buffer, 4096, $p->needed);
            $p->gives(Status::NotFound, $status);
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($id));
            $wrongIds(static fn (Probe $p, int $id)
                => $p->ffi->lyger_result_shaped($id, null, 0, 0, $p->buffer, 4096, $p->needed))($p);
        },
        'valid' => static fn (Probe $p)
            => $p->ffi->lyger_result_shaped($p->query(), null, 0, 0, $p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_result_slice' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $slice = static fn (int $id, int $from, int $count, mixed $cap = 4096): int
                => $p->ffi->lyger_result_slice($id, $from, $count, $p->buffer, $cap, $p->needed);
            $id = $p->query("SELECT 'a' AS t UNION ALL SELECT 'b' UNION ALL SELECT 'ü'");
            $p->gives(Status::NullPointer, $p->ffi->lyger_result_slice($id, 0, 1, $p->buffer, 4096, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_result_slice($id, 0, 1, null, 4096, $p->needed));
            $p->gives(Status::TooLong, $slice($id, 0, 1, -1));
            $p->gives(Status::BufferTooSmall, $slice($id, 1, 9, 10));
            foreach ([[0, 1, ['a']], [1, 9, ['b', 'ü']], [0, -1, ['a', 'b', 'ü']], [3, 1, []], [-1, -1, []]] as $case) {
                [$from, $count, $texts] = $case;
                $p->gives(Status::Ok, $slice($id, $from, $count));
                $expected = serialize(array_map(static fn (string $text): array => ['t' => $text], $texts));
                $p->check($p->written() === $expected, $expected, $p->written());
            }
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($id));
            $wrongIds(static fn (Probe $p, int $id)
                => $p->ffi->lyger_result_slice($id, 0, 1, $p->buffer, 4096, $p->needed))($p);
        },
        'valid' => static fn (Probe $p)
            => $p->ffi->lyger_result_slice($p->query(), 0, 1, $p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_result_describe' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $info = FFI::addr($p->ffi->new('lyger_result_info', false));
            $id = $p->query();
            $p->gives(Status::NullPointer, $p->ffi->lyger_result_describe($id, null));
            $p->gives(Status::Ok, $p->ffi->lyger_result_describe($id, $info));
            $p->check($info->rows === 1 && $info->columns === 1, 'one row, one column');
            $p->ffi->lyger_free_result($id);
            $wrongIds(static fn (Probe $p, int $id) => $p->ffi->lyger_result_describe($id, $info))($p);
        },
        'valid' => static fn (Probe $p)
            => $p->ffi->lyger_result_describe($p->query(), FFI::addr($p->ffi->new('lyger_result_info', false))),
        'child' => Status::WrongProcess,
    ],
    'lyger_result_free' => [
        'misuse' => $wrongIds(static fn (Probe $p, int $id) => $p->ffi->lyger_result_free($id)),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_result_free($p->query()),
        'child' => Status::WrongProcess,
    ],
    'lyger_free_result' => [
        'misuse' => $wrongIds(static fn (Probe $p, int $id) => $p->ffi->lyger_free_result($id)),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_free_result($p->query()),
        'child' => Status::WrongProcess,
    ],
    'lyger_jsonify_result' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $id = $p->query();
            $json = $p->ffi->lyger_jsonify_result($id);
            $p->leaves(Status::Ok, FFI::string($json) === '[{"n":1}]');
            $p->ffi->lyger_free_string($json);
            $p->ffi->lyger_free_result($id);
            $wrongIds(static fn (Probe $p, int $id)
                => $p->check($p->ffi->lyger_jsonify_result($id) === null, 'NULL for a wrong id'))($p);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_jsonify_result($p->query()),
        'child' => Status::WrongProcess,
    ],
];
