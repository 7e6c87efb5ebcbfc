<?php

declare(strict_types=1);

namespace Lyger\Leaks;

use ArrayObject;
use Closure;
use ReflectionClass;
use ReflectionFunction;
use ReflectionFunctionAbstract;
use SplDoublyLinkedList;
use SplFixedArray;
use SplHeap;
use SplObjectStorage;
use WeakMap;

/**
 * Counts everything that outlives a request, by the name of what holds it: static properties and variables, globals,
 * and the properties of every object that can be reached from them.
 *
 * An array counts for the first holder that it is met through. Bytes are what PHP 8 on 64 bits takes, more or less:
 * enough to see what grows.
 */
final class Census
{
    private const STRING_BYTES = 32;
    private const ARRAY_BYTES = 56;
    private const SLOT_BYTES = 32;
    private const OBJECT_BYTES = 56;
    /** Arrays that hold themselves by reference have no end. */
    private const DEPTH_MAX = 64;
    /** A second or so; a leak of this size is known by then. */
    private const VALUES_MAX = 5_000_000;
    /** PHP's own collections, which show no properties. */
    private const COLLECTIONS = [
        ArrayObject::class, SplDoublyLinkedList::class, SplFixedArray::class, SplHeap::class, SplObjectStorage::class,
        WeakMap::class,
    ];

    /** @var array<string, Size> by name */
    private array $sizes = [];
    /** @var array<int, true> by object id */
    private array $seen = [];
    /** @var list<object> met and not looked into yet */
    private array $waiting = [];
    private int $values = 0;

    private function __construct()
    {
    }

    /**
     * @param object $root is looked into beside the statics
     * @return array<string, Size> by name
     */
    public static function take(object $root): array
    {
        $census = new self();
        $census->classes();
        foreach (get_defined_functions()['user'] as $function) {
            $census->variables("$function()", new ReflectionFunction($function));
        }
        foreach ($GLOBALS as $name => $value) {
            if (!str_starts_with((string) $name, '_')) {
                $census->measure("\$GLOBALS['$name']", $value);
            }
        }
        $census->meet($root);
        while (($object = array_pop($census->waiting)) !== null) {
            $census->lookInto($object);
        }
        return $census->sizes + Handles::take();
    }

    private function classes(): void
    {
        foreach (get_declared_classes() as $name) {
            $class = new ReflectionClass($name);
            if ($class->isInternal() || $class->getNamespaceName() === __NAMESPACE__) {
                continue;
            }
            foreach ($class->getProperties(\ReflectionProperty::IS_STATIC) as $property) {
                // What is inherited is the parent's.
                if ($property->getDeclaringClass()->name === $name && $property->isInitialized()) {
                    $this->measure("$name::\${$property->name}", $property->getValue());
                }
            }
            foreach ($class->getMethods() as $method) {
                if ($method->getDeclaringClass()->name === $name) {
                    $this->variables("$name::{$method->name}()", $method);
                }
            }
        }
    }

    private function variables(string $holder, ReflectionFunctionAbstract $function): void
    {
        foreach ($function->getStaticVariables() as $name => $value) {
            $this->measure("$holder static \$$name", $value);
        }
    }

    private function lookInto(object $object): void
    {
        $class = $object::class;
        if ($object instanceof Closure) {
            $function = new ReflectionFunction($object);
            if (!$function->isInternal()) {
                $place = "{$function->getFileName()}:{$function->getStartLine()}";
                $this->variables("the closure at $place", $function);
            }
            $this->measure('', $function->getClosureThis());
            return;
        }
        $size = $this->size("objects of $class");
        $size->elements++;
        $size->bytes += self::OBJECT_BYTES;
        foreach (get_mangled_object_vars($object) as $name => $value) {
            // "\0Class\0name" is private, "\0*\0name" protected.
            $name = substr((string) strrchr("\0$name", "\0"), 1);
            $this->measure("$class->$name", $value);
        }
    }

    private function measure(string $holder, mixed $value, int $depth = 0): void
    {
        if (++$this->values > self::VALUES_MAX || $depth > self::DEPTH_MAX) {
            return;
        }
        if (is_string($value)) {
            $this->size($holder)->bytes += self::STRING_BYTES + strlen($value);
        } elseif (is_array($value)) {
            $size = $this->size($holder);
            $size->elements += count($value);
            $size->bytes += self::ARRAY_BYTES + self::SLOT_BYTES * count($value);
            foreach ($value as $key => $element) {
                $size->bytes += is_string($key) ? self::STRING_BYTES + strlen($key) : 0;
                if (is_array($element) || is_string($element) || is_object($element)) {
                    $this->measure($holder, $element, $depth + 1);
                }
            }
        } elseif (is_object($value)) {
            foreach (self::COLLECTIONS as $class) {
                if ($value instanceof $class && !isset($this->seen[spl_object_id($value)])) {
                    $size = $this->size($holder);
                    $size->elements += count($value);
                    $size->bytes += self::SLOT_BYTES * count($value);
                }
            }
            $this->meet($value);
        }
    }

    private function meet(object $object): void
    {
        // What this watch remembers is no leak of the application's.
        if (!isset($this->seen[spl_object_id($object)]) && !$object instanceof Size && !$object instanceof Watch) {
            $this->seen[spl_object_id($object)] = true;
            $this->waiting[] = $object;
        }
    }

    private function size(string $holder): Size
    {
        return $this->sizes[$holder] ??= new Size();
    }
}
