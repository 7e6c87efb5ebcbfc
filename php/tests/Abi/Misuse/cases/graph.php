<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

$floats = static function (Probe $p, float ...$values): FFI\CData {
    $array = $p->ffi->new('float[' . count($values) . ']');
    foreach ($values as $at => $value) {
        $array[$at] = $value;
    }
    return $array;
};

return [
    'engram_apply_decay' => [
        'misuse' => static function (Probe $p) use ($floats): void {
            $strengths = $floats($p, 1.0, 1.0);
            $ages = $floats($p, 5.0, 10.0);
            $p->gives(Status::Ok, $p->ffi->engram_apply_decay(null, null, 0, 1.0));
            $p->gives(Status::NullPointer, $p->ffi->engram_apply_decay($strengths, null, 2, 1.0));
            $p->gives(Status::TooLong, $p->ffi->engram_apply_decay($strengths, $p->nowhere('float'), -1, 1.0));
            $p->gives(Status::InvalidArgument, $p->ffi->engram_apply_decay($strengths, $strengths, 2, 1.0));
            foreach ([0.0, -1.0, INF, NAN] as $halfLife) {
                $p->gives(Status::InvalidArgument, $p->ffi->engram_apply_decay($strengths, $ages, 2, $halfLife));
            }
            $p->check([$strengths[0], $strengths[1]] === [1.0, 1.0], 'leaves the strengths');
            $p->gives(Status::Ok, $p->ffi->engram_apply_decay($strengths, $ages, 2, 5.0));
            $p->check([$strengths[0], $strengths[1]] === [0.5, 0.25], 'halves them');
        },
        'valid' => static fn (Probe $p) => $p->ffi->engram_apply_decay(
            $floats($p, 1.0),
            $floats($p, 1.0),
            1,
            1.0,
        ),
        'child' => Status::Ok,
    ],
];
