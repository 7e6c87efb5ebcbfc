<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent\Models;

use Illuminate\Database\Eloquent\Relations\BelongsToMany;
use Lyger\Database\Model;

final class Tag extends Model
{
    public $timestamps = false;
    protected $guarded = [];

    public function books(): BelongsToMany
    {
        return $this->belongsToMany(Book::class);
    }
}
