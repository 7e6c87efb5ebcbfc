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

$words = static function (Probe $p, int ...$values): FFI\CData {
    $array = $p->ffi->new('uint32_t[' . count($values) . ']');
    foreach ($values as $at => $value) {
        $array[$at] = $value;
    }
    return $array;
};

// 0 to 1, 1 to 0 and 2; 2 has no edges.
$spread = static fn (Probe $p, ?FFI\CData $activations, array $with = []): int => $p->ffi->engram_spread_activation(
    ...array_values(array_replace([
        'offsets' => $words($p, 0, 1, 3, 3),
        'targets' => $words($p, 1, 0, 2),
        'weights' => $floats($p, 0.5, 1.0, 0.25),
        'nodes' => 3,
        'edges' => 3,
        'activations' => $activations,
        'steps' => 1,
        'retention' => 0.5,
        'transmission' => 1.0,
        'threshold' => 0.0,
        'refractory_steps' => 1,
        'normalization' => 0,
        'scratch' => $words($p, 0, 0, 0, 0, 0, 0),
        'scratch_len' => 6,
    ], $with)),
);

return [
    'engram_spread_activation' => [
        'misuse' => static function (Probe $p) use ($floats, $words, $spread): void {
            $activations = $floats($p, 1.0, 0.0, 0.0);
            $p->gives(Status::NullPointer, $spread($p, null));
            $p->gives(Status::NullPointer, $spread($p, $activations, ['scratch' => null]));
            $p->gives(Status::TooLong, $spread($p, $activations, ['edges' => -1]));
            $p->gives(Status::TooLong, $spread($p, $activations, ['nodes' => -1]));
            foreach (
                [
                    ['scratch_len' => 5],
                    ['edges' => 2],
                    ['offsets' => $words($p, 0, 3, 1, 3)],
                    ['targets' => $words($p, 1, 0, 3)],
                    ['retention' => NAN],
                    ['transmission' => 2.0],
                    ['threshold' => INF],
                    ['normalization' => 3],
                    ['weights' => $activations],
                ] as $wrong
            ) {
                $p->gives(Status::InvalidArgument, $spread($p, $activations, $wrong));
            }
            $p->check($activations[0] === 1.0 && $activations[1] === 0.0, 'leaves the activations');
            $p->gives(Status::Ok, $spread($p, $activations));
            $p->check($activations[0] === 0.5 && $activations[1] === 0.5, 'spreads them');
        },
        'valid' => static fn (Probe $p) => $spread($p, $floats($p, 1.0, 0.0, 0.0)),
        'child' => Status::Ok,
    ],
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
