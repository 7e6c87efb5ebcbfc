<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent\Models;

use Illuminate\Database\Eloquent\Relations\HasMany;
use Illuminate\Database\Eloquent\Relations\HasManyThrough;
use Illuminate\Database\Eloquent\Relations\HasOne;
use Illuminate\Database\Eloquent\Relations\MorphMany;
use Lyger\Database\Model;

final class Author extends Model
{
    protected $guarded = [];
    protected $hidden = ['secret'];
    protected $casts = [
        'is_active' => 'boolean',
        'settings' => 'array',
        'born_at' => 'datetime',
        'balance' => 'decimal:2',
    ];

    public function books(): HasMany
    {
        return $this->hasMany(Book::class)->orderBy('books.id');
    }

    public function latest(): HasOne
    {
        return $this->hasOne(Book::class)->latest('id');
    }

    public function notes(): MorphMany
    {
        return $this->morphMany(Note::class, 'notable')->orderBy('id');
    }

    public function bookNotes(): HasManyThrough
    {
        return $this->hasManyThrough(Note::class, Book::class, 'author_id', 'notable_id')
            ->where('notable_type', Book::class);
    }
}
