<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Exception\InvalidArgument;
use ReflectionClass;
use stdClass;

/**
 * Objects of rows.
 *
 * stdClass gets every column as a property. Any other class: columns that its constructor has a parameter for are given
 * to it by name, the others are set as its public properties. A column that has neither place, and a parameter that has
 * neither column nor default, is an error: name them in the SELECT list (`SELECT first_name AS firstName`). Values have
 * the types of the documentation's table; none is made an enum or a DateTimeImmutable.
 *
 * @template T of object
 * @internal
 */
final class Objects
{
    /** @var array<string, true> */
    private array $parameters = [];
    /** @var list<string> */
    private array $required = [];
    /** @var array<string, true> */
    private array $properties = [];

    /** @param class-string<T> $class */
    public function __construct(private readonly string $class)
    {
        if (!class_exists($class) || !(new ReflectionClass($class))->isInstantiable()) {
            throw InvalidArgument::because("there is no class $class that can be instantiated", $class);
        }
        $reflection = new ReflectionClass($class);
        foreach ($reflection->getConstructor()?->getParameters() ?? [] as $parameter) {
            if ($parameter->isVariadic()) {
                continue;
            }
            $this->parameters[$parameter->getName()] = true;
            if (!$parameter->isOptional()) {
                $this->required[] = $parameter->getName();
            }
        }
        foreach ($reflection->getProperties() as $property) {
            if ($property->isPublic() && !$property->isStatic() && !$property->isReadOnly()) {
                $this->properties[$property->getName()] = true;
            }
        }
    }

    /**
     * @param array<string, mixed> $row
     * @return T
     */
    public function of(array $row): object
    {
        if ($this->class === stdClass::class) {
            return (object) $row;
        }
        foreach ($this->required as $name) {
            if (!array_key_exists($name, $row)) {
                throw self::noColumn($name, $row);
            }
        }
        $object = new $this->class(...array_intersect_key($row, $this->parameters));
        foreach (array_diff_key($row, $this->parameters) as $name => $value) {
            if (!isset($this->properties[$name])) {
                throw InvalidArgument::because(
                    "the column \"$name\" is neither a parameter of $this->class's constructor nor a public property",
                    (string) $name,
                );
            }
            $object->$name = $value;
        }
        return $object;
    }

    /** @param array<string, mixed> $row */
    public static function noColumn(string $name, array $row): InvalidArgument
    {
        $columns = implode(', ', array_keys($row));
        return InvalidArgument::because("the result has no column \"$name\"; it has $columns", $name);
    }
}
