<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

// The scores of three candidates, which hold 7 before.
$scores = static function (Probe $p): FFI\CData {
    $scores = $p->ffi->new('float[3]');
    [$scores[0], $scores[1], $scores[2]] = [7, 7, 7];
    return $scores;
};
$floats = static function (Probe $p, float ...$values): FFI\CData {
    $floats = $p->ffi->new('float[' . count($values) . ']');
    foreach ($values as $at => $value) {
        $floats[$at] = $value;
    }
    return $floats;
};

return [
    'engram_vector_similarity' => [
        'misuse' => static function (Probe $p) use ($scores, $floats): void {
            $out = $scores($p);
            $query = $floats($p, 3, 4);
            $candidates = $floats($p, 6, 8, 0, 0, -3, -4);
            $refuses = static function (Status $status, ...$arguments) use ($p, $out): void {
                $p->ffi->engram_vector_similarity(...$arguments);
                $p->leaves($status, [$out[0], $out[1], $out[2]] === [7.0, 7.0, 7.0]);
            };
            $nowhere = $p->nowhere('float');
            $refuses(Status::NullPointer, null, $candidates, $out, 2, 3);
            $refuses(Status::NullPointer, $query, null, $out, 2, 3);
            $refuses(Status::NullPointer, $query, $candidates, null, 2, 3);
            $refuses(Status::TooLong, $nowhere, $nowhere, $nowhere, -1, 1);
            $refuses(Status::TooLong, $nowhere, $nowhere, $nowhere, 1, -1);
            $refuses(Status::TooLong, $nowhere, $nowhere, $nowhere, 4, PHP_INT_MAX);
            $refuses(Status::InvalidArgument, $query, $candidates, FFI::addr($candidates[0]), 2, 3);

            $p->ffi->engram_vector_similarity($query, $candidates, $out, 2, 0);
            $p->leaves(Status::Ok, $out[0] === 7.0);
            $p->ffi->engram_vector_similarity($query, $candidates, $out, 2, 3);
            $p->leaves(Status::Ok, [$out[0], $out[1], $out[2]] === [1.0, 0.0, -1.0]);
        },
        'valid' => static function (Probe $p) use ($scores, $floats): void {
            $p->ffi->engram_vector_similarity($floats($p, 1), $floats($p, 1, 2, 3), $scores($p), 1, 3);
        },
        'child' => Status::Ok,
    ],
];
