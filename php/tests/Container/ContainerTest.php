<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

use Lyger\Container\Container;
use Lyger\Container\NotFound;
use Lyger\Container\Unresolvable;
use PHPUnit\Framework\TestCase;
use Psr\Container\ContainerExceptionInterface;
use Psr\Container\ContainerInterface;
use Psr\Container\NotFoundExceptionInterface;

final class ContainerTest extends TestCase
{
    private Container $container;

    protected function setUp(): void
    {
        $this->container = new Container();
    }

    public function test_a_class_is_built_by_its_constructors_types(): void
    {
        $car = $this->container->get(Car::class);
        self::assertInstanceOf(Engine::class, $car->engine);
        self::assertSame(4, $car->wheels);
        self::assertNull($car->driver);
    }

    public function test_what_nobody_registered_is_new_each_time(): void
    {
        self::assertNotSame($this->container->get(Engine::class), $this->container->get(Engine::class));
    }

    public function test_a_singleton_is_one_for_ever_and_a_scoped_one_for_a_request(): void
    {
        $this->container->singleton(Engine::class);
        $this->container->scoped(Car::class);
        $engine = $this->container->get(Engine::class);
        $car = $this->container->get(Car::class);
        self::assertSame($engine, $car->engine);
        self::assertSame($car, $this->container->get(Car::class));
        $this->container->endRequest();
        self::assertSame($engine, $this->container->get(Engine::class));
        self::assertNotSame($car, $this->container->get(Car::class));
    }

    public function test_an_interface_is_bound_to_a_class_a_factory_or_an_object(): void
    {
        $this->container->bind(Motor::class, Engine::class);
        self::assertInstanceOf(Engine::class, $this->container->get(Motor::class));
        $this->container->bind(Motor::class, static fn (ContainerInterface $c): Motor => $c->get(Engine::class));
        self::assertInstanceOf(Engine::class, $this->container->get(Motor::class));
        $this->container->instance(Motor::class, $motor = new Engine());
        self::assertSame($motor, $this->container->get(Motor::class));
    }

    public function test_a_later_binding_takes_the_place_of_an_earlier_one(): void
    {
        $this->container->instance('answer', 41);
        $this->container->bind('answer', static fn (): int => 42);
        self::assertSame(42, $this->container->get('answer'));
    }

    public function test_null_can_be_shared(): void
    {
        $calls = 0;
        $this->container->singleton('nothing', static function () use (&$calls) {
            $calls++;
            return null;
        });
        self::assertNull($this->container->get('nothing'));
        self::assertNull($this->container->get('nothing'));
        self::assertSame(1, $calls);
    }

    public function test_has_says_whether_get_would_find_something(): void
    {
        $this->container->bind('bound', static fn (): int => 1);
        self::assertTrue($this->container->has('bound') && $this->container->has(Engine::class));
        self::assertTrue($this->container->has(ContainerInterface::class));
        self::assertFalse($this->container->has('unknown') || $this->container->has(Motor::class));
    }

    public function test_a_circle_is_named(): void
    {
        try {
            $this->container->get(Outer::class);
            self::fail('no exception');
        } catch (Unresolvable $exception) {
            self::assertInstanceOf(ContainerExceptionInterface::class, $exception);
            $circle = implode(' -> ', [Hen::class, Egg::class, Hen::class]);
            self::assertStringContainsString($circle, $exception->getMessage());
            self::assertStringNotContainsString(Outer::class, $exception->getMessage());
        }
        // Nothing of the failed attempt is left.
        self::assertInstanceOf(Engine::class, $this->container->get(Engine::class));
    }

    /** @dataProvider impossible */
    public function test_what_cannot_be_built_is_explained(string $id, string $class, string $message): void
    {
        $this->expectException($class);
        $this->expectExceptionMessage($message);
        $this->container->get($id);
    }

    public function impossible(): array
    {
        return [
            ['no.such.id', NotFound::class, 'knows no "no.such.id"'],
            ['no.such.id', NotFoundExceptionInterface::class, 'no.such.id'],
            [Motor::class, Unresolvable::class, 'is an interface: bind it'],
            [AbstractMotor::class, Unresolvable::class, 'is abstract'],
            [Secret::class, Unresolvable::class, 'no value for $key of ' . Secret::class . '::__construct()'],
        ];
    }

    public function test_call_fills_parameters_by_name_and_by_type(): void
    {
        $this->container->instance(Engine::class, $engine = new Engine());
        $function = static fn (Engine $engine, string $name, int $size = 3): array => [$engine, $name, $size];
        self::assertSame([$engine, 'x', 3], $this->container->call($function, ['name' => 'x']));
        self::assertSame('start', $this->container->call([$engine, 'start']));
        self::assertSame('made', $this->container->call(Engine::class . '::make'));
    }
}
