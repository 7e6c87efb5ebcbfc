<?php

declare(strict_types=1);

namespace Lyger\Routing;

use BackedEnum;
use Lyger\Container\Container;
use Lyger\Http\HttpException;
use Lyger\Http\Request;
use ReflectionNamedType;
use ReflectionParameter;

/** One parameter of a handler: where its value comes from, found out once and not at each request. */
final class Argument
{
    public readonly string $name;
    /** request, int, float, bool, enum, or text for any other type */
    private readonly string $kind;
    private readonly string $type;

    public function __construct(private readonly ReflectionParameter $parameter)
    {
        $type = $parameter->getType();
        $this->name = $parameter->getName();
        $this->type = $type instanceof ReflectionNamedType ? $type->getName() : '';
        $this->kind = match (true) {
            $this->type === Request::class => 'request',
            in_array($this->type, ['int', 'float', 'bool'], true) => $this->type,
            enum_exists($this->type) && is_subclass_of($this->type, BackedEnum::class) => 'enum',
            default => 'text',
        };
    }

    /** @param array<string, string> $params of the route */
    public function value(Request $request, array $params, Container $container): mixed
    {
        if ($this->kind === 'request') {
            return $request;
        }
        return isset($params[$this->name])
            ? $this->convert($params[$this->name])
            : $container->argument($this->parameter);
    }

    /** A value that isn't of its type means that nothing lives at this path. */
    private function convert(string $value): mixed
    {
        return match ($this->kind) {
            'text' => $value,
            'int' => (string) (int) $value === $value ? (int) $value : throw HttpException::notFound(),
            'float' => preg_match('/^-?\d+(\.\d+)?$/D', $value) === 1 && is_finite((float) $value)
                ? (float) $value
                : throw HttpException::notFound(),
            'bool' => match ($value) {
                '1', 'true' => true,
                '0', 'false' => false,
                default => throw HttpException::notFound(),
            },
            'enum' => self::enum($value, $this->type),
        };
    }

    /** @param class-string<BackedEnum> $enum */
    private static function enum(string $value, string $enum): BackedEnum
    {
        foreach ($enum::cases() as $case) {
            if ((string) $case->value === $value) {
                return $case;
            }
        }
        throw HttpException::notFound();
    }
}
