<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\Eloquent\Builder as ModelBuilder;
use Illuminate\Database\Query\Builder;
use Lyger\Exception\InvalidArgument;
use Lyger\Http\SqlResponse;

/**
 * A query's rows as an answer, without a model for each: `Product::query()->where('price', '<', 20)->respond()`.
 *
 * The rows are the database's: casts, accessors, appended attributes and the event "retrieved" are not applied, and
 * no keys are renamed. Scopes are, as they are part of the query. What would be missing or give something away is an
 * error: eager loads, and a model's hidden attributes.
 *
 * @internal Builders have it as respond().
 */
final class Respond
{
    public static function query(Builder $query): SqlResponse
    {
        $connection = $query->getConnection();
        if (!$connection instanceof Connection) {
            throw InvalidArgument::because('respond() needs one of Lyger\'s connections: see Eloquent::boot()');
        }
        $sql = $query->toSql(); // may add bindings
        return SqlResponse::of($connection->db(), $sql, $connection->params($query->getBindings()));
    }

    public static function models(ModelBuilder $models): SqlResponse
    {
        $loads = array_keys($models->getEagerLoads());
        if ($loads !== []) {
            throw InvalidArgument::because(
                'respond() makes no models, so it can\'t load their relations: ' . implode(', ', $loads)
                    . '; join them, or leave them out with withOnly([])'
            );
        }
        $query = $models->toBase();
        self::checkHidden($models, $query);
        return self::query($query);
    }

    /** A model's $hidden and $visible rule what it becomes as an array or JSON, and its columns aren't known here. */
    private static function checkHidden(ModelBuilder $models, Builder $query): void
    {
        $model = $models->getModel();
        [$hidden, $visible] = [$model->getHidden(), $model->getVisible()];
        if ($hidden === [] && $visible === []) {
            return;
        }
        foreach ($query->columns ?? ['*'] as $column) {
            if (!is_string($column)) {
                continue; // an expression, which says what it selects
            }
            $name = preg_replace('~^.*(?:\.|\sas\s)~is', '', $column);
            $source = preg_replace('~\sas\s.*$|^.*\.~isU', '', $column);
            if ($name === '*') {
                throw InvalidArgument::because(
                    $model::class . ' has attributes that it hides, and respond() sends every column: name those that '
                        . 'are to be sent with select()'
                );
            }
            $isHidden = in_array($name, $hidden, true) || in_array($source, $hidden, true);
            if ($isHidden || ($visible !== [] && !in_array($name, $visible, true))) {
                throw InvalidArgument::because($model::class . " hides \"$name\", and respond() would send it", $name);
            }
        }
    }
}
