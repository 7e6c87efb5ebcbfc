<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Container\Container;
use Illuminate\Database\Eloquent\Builder as ModelBuilder;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Query\Builder;
use Illuminate\Events\Dispatcher;
use Illuminate\Support\Facades\Facade;
use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Http\SqlResponse;
use SensitiveParameter;

/**
 * Sets Eloquent up on the engine, in an application's bootstrap.php:
 *
 *     Eloquent::boot('postgres://shop@localhost/shop');
 *
 * Then every model of Eloquent's uses it, and so do `DB::` and `Schema::` (Illuminate\Support\Facades) where no Laravel
 * has set them up. Nothing connects before the first statement.
 */
final class Eloquent
{
    /**
     * @param Db|string|non-empty-array<string, Db|string> $databases one, or several by name: the first is the default
     * @param string $prefix of every table's name
     */
    public static function boot(
        #[SensitiveParameter] Db|string|array $databases,
        string $prefix = '',
    ): Connections {
        $databases = is_array($databases) ? $databases : ['default' => $databases];
        if ($databases === []) {
            throw InvalidArgument::because('Eloquent needs a database');
        }
        $connections = [];
        foreach ($databases as $name => $database) {
            $db = is_string($database) ? Db::connect($database) : $database;
            $connections[$name] = Connections::of($db, (string) $name, $prefix);
        }
        $resolver = new Connections($connections);
        Model::setConnectionResolver($resolver);
        self::dispatch($connections);
        self::facades($resolver);
        Builder::macro('respond', function (): SqlResponse {
            /** @var Builder $this */
            return Respond::query($this);
        });
        ModelBuilder::macro('respond', function (): SqlResponse {
            /** @var ModelBuilder $this */
            return Respond::models($this);
        });
        return $resolver;
    }

    /**
     * Events of models and connections, where illuminate/events is installed. Who has a dispatcher keeps it.
     *
     * @param array<\Illuminate\Database\Connection> $connections
     */
    private static function dispatch(array $connections): void
    {
        if (Model::getEventDispatcher() === null && class_exists(Dispatcher::class)) {
            Model::setEventDispatcher(new Dispatcher());
        }
        $dispatcher = Model::getEventDispatcher();
        foreach ($dispatcher === null ? [] : $connections as $connection) {
            $connection->setEventDispatcher($dispatcher);
        }
    }

    private static function facades(Connections $resolver): void
    {
        $container = Facade::getFacadeApplication();
        if ($container === null && class_exists(Container::class)) {
            $container = new Container();
            $container->instance(self::class, true);
            Facade::setFacadeApplication($container);
        }
        // Booted anew, it is this one's own container again.
        if ($container instanceof Container && $container->bound(self::class)) {
            $container->instance('db', $resolver);
            $container->bind('db.schema', static fn () => $resolver->schema());
            Facade::clearResolvedInstances();
        }
    }
}
