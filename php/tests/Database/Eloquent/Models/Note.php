<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent\Models;

use Illuminate\Database\Eloquent\Relations\MorphTo;
use Lyger\Database\Model;

final class Note extends Model
{
    public $timestamps = false;
    protected $guarded = [];

    public function notable(): MorphTo
    {
        return $this->morphTo();
    }
}
