<?php

declare(strict_types=1);

namespace Lyger\Database;

use Illuminate\Database\Eloquent\Model as Eloquent;
use Lyger\Exception\InvalidConfig;

/**
 * Eloquent's model on the engine, once Lyger\Database\Eloquent\Eloquent::boot() has named the database:
 *
 *     final class Product extends Model
 *     {
 *     }
 *
 *     return Product::query()->where('price', '<', 20)->respond(); // rows, and no model of them
 *
 * Any other model of Eloquent's works as well: this one tells editors of respond(), and who forgot to boot.
 *
 * @method static \Lyger\Http\SqlResponse respond() of all rows
 */
abstract class Model extends Eloquent
{
    public static function resolveConnection($connection = null)
    {
        if (static::getConnectionResolver() === null) {
            $reason = 'no database is named yet: Lyger\\Database\\Eloquent\\Eloquent::boot() does that';
            throw InvalidConfig::at(static::class, $reason);
        }
        return parent::resolveConnection($connection);
    }
}
