<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

// A master's specification, but for these.
$spec = static function (array $but): string {
    $nothing = ['/no/such/program'];
    return (string) json_encode($but + [
        'app' => '/nowhere',
        'control' => null,
        'host' => '127.0.0.1',
        'port' => 0,
        'workers' => 1,
        'watch' => null,
        'drain_timeout_ms' => 0,
        'cache_bytes_max' => 1 << 20,
        'config' => '{}',
        'front' => $nothing,
        'zygote' => $nothing,
        'announcement' => '',
    ]);
};

$code = static fn (Probe $p) => FFI::addr($p->ffi->new('int32_t', false));
$worker = static fn (Probe $p) => FFI::addr($p->ffi->new('uint32_t', false));

return [
    'lyger_fleet_run' => [
        'misuse' => static function (Probe $p) use ($spec, $code): void {
            $exit = $code($p);
            $exit[0] = 7;
            $run = static fn (string $spec): int => $p->ffi->lyger_fleet_run($spec, strlen($spec), $exit);
            $p->gives(Status::NullPointer, $p->ffi->lyger_fleet_run('{}', 2, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_fleet_run(null, 2, $exit));
            $p->gives(Status::TooLong, $p->ffi->lyger_fleet_run($p->nowhere(), (1 << 20) + 1, $exit));
            $p->gives(Status::TooLong, $p->ffi->lyger_fleet_run($p->nowhere(), -1, $exit));
            $p->gives(Status::InvalidUtf8, $run("\xff"));
            $wrong = [['port' => 65_536], ['workers' => -1], ['config' => '{"prot":1}'], ['prot' => 1]];
            foreach (['', '[]', '{}', "{}\0", ...array_map($spec, $wrong)] as $json) {
                $p->gives(Status::InvalidConfig, $run($json));
            }
            $taken = stream_socket_server('tcp://127.0.0.1:0');
            $port = (int) substr((string) strrchr((string) stream_socket_get_name($taken, false), ':'), 1);
            $p->gives(Status::AddressInUse, $run($spec(['port' => $port])));
            foreach ([['/no/such/program'], []] as $program) {
                $p->gives(Status::ServerFailed, $run($spec(['front' => $program])));
            }
            // A control socket that can't be is told, and no reason not to serve.
            $without = ['control' => '/no/such/folder/socket', 'front' => []];
            $p->gives(Status::ServerFailed, $run($spec($without)));
            $p->check($exit[0] === 7, 'no exit code on an error');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_fleet_run($spec([]), strlen($spec([])), $code($p)),
        'child' => Status::WrongProcess,
    ],
    'lyger_fleet_front' => [
        // Standard input is no link, neither at first nor after it was taken for one.
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::ServerFailed, $p->ffi->lyger_fleet_front());
            $p->gives(Status::ServerFailed, $p->ffi->lyger_fleet_front());
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_fleet_front(),
        'child' => Status::WrongProcess,
    ],
    'lyger_fleet_fork' => [
        'misuse' => static function (Probe $p) use ($worker): void {
            $number = $worker($p);
            $number[0] = 7;
            $p->gives(Status::NullPointer, $p->ffi->lyger_fleet_fork(null));
            $p->gives(Status::ServerFailed, $p->ffi->lyger_fleet_fork($number));
            $p->gives(Status::ServerFailed, $p->ffi->lyger_fleet_fork($number));
            $p->check($number[0] === 7, 'no number on an error');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_fleet_fork($worker($p)),
        'child' => Status::WrongProcess,
    ],
    'lyger_worker_boot_failed' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::ServerNotRunning, $p->ffi->lyger_worker_boot_failed('x', 1));
            $p->gives(Status::NullPointer, $p->ffi->lyger_worker_boot_failed(null, 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_worker_boot_failed($p->nowhere(), 65_537));
            $p->gives(Status::TooLong, $p->ffi->lyger_worker_boot_failed($p->nowhere(), -1));
            $p->gives(Status::InvalidUtf8, $p->ffi->lyger_worker_boot_failed("\xff", 1));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_worker_boot_failed('x', 1),
        'child' => Status::WrongProcess,
    ],
    'lyger_worker_report' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::ServerNotRunning, $p->ffi->lyger_worker_report(0, 0));
            $port = FFI::addr($p->ffi->new('uint16_t', false));
            $p->gives(Status::Ok, $p->ffi->lyger_server_start('{"port":0}', 10, $port));
            foreach ([[0, 0], [-1, -1], [PHP_INT_MAX, 255]] as [$bytes, $leaving]) {
                $p->gives(Status::Ok, $p->ffi->lyger_worker_report($bytes, $leaving));
            }
            $p->gives(Status::Ok, $p->ffi->lyger_server_stop());
            $p->gives(Status::Ok, $p->ffi->lyger_server_wait(5_000));
            $p->gives(Status::ServerNotRunning, $p->ffi->lyger_worker_report(0, 0));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_worker_report(0, 0),
        'child' => Status::WrongProcess,
    ],
];
