<?php

declare(strict_types=1);

namespace Lyger\Core;

use Lyger\Exception as E;
use Lyger\Exception\LygerException;

/**
 * What every function of the C ABI returns. Numbers are stable and never reused (rust/ffi).
 */
enum Status: int
{
    case Ok = 0;
    case NullPointer = 1;
    case TooLong = 2;
    case InvalidUtf8 = 3;
    case InvalidHandle = 4;
    case InvalidArgument = 5;
    case BufferTooSmall = 6;
    case WrongProcess = 7;
    case Panic = 8;
    case Timeout = 9;
    case Interrupted = 10;
    case Stopped = 11;
    case NotFound = 12;
    case HandlesExhausted = 13;
    case Finished = 14;
    case InvalidDsn = 20;
    case ConnectionFailed = 21;
    case QueryFailed = 22;
    case UnsupportedType = 23;
    case ResultTooLarge = 24;
    case PoolExhausted = 25;
    case InvalidParams = 26;
    case AddressInUse = 30;
    case ServerRunning = 31;
    case ServerNotRunning = 32;
    case AlreadyAnswered = 33;
    case InvalidConfig = 34;
    case ServerFailed = 35;
    case CacheValueTooLarge = 40;
    case InvalidVector = 41;
    case IndexTooLarge = 42;
    case IndexFileFailed = 43;
    case IndexDamaged = 44;
    case NotANumber = 45;
    case CacheFailed = 46;

    /** @return class-string<LygerException> */
    private function exceptionClass(): string
    {
        return match ($this) {
            self::NullPointer, self::TooLong, self::InvalidUtf8, self::InvalidArgument => E\InvalidArgument::class,
            self::InvalidHandle => E\InvalidHandle::class,
            self::WrongProcess => E\WrongProcess::class,
            self::Timeout => E\Timeout::class,
            self::InvalidDsn => E\InvalidDsn::class,
            self::ConnectionFailed => E\ConnectionFailed::class,
            self::QueryFailed => E\QueryFailed::class,
            self::UnsupportedType => E\UnsupportedType::class,
            self::ResultTooLarge => E\ResultTooLarge::class,
            self::PoolExhausted => E\PoolExhausted::class,
            self::InvalidParams => E\InvalidParams::class,
            self::AddressInUse => E\AddressInUse::class,
            self::AlreadyAnswered => E\AlreadyAnswered::class,
            self::InvalidConfig => E\InvalidConfig::class,
            self::ServerRunning, self::ServerNotRunning, self::ServerFailed => E\ServerFailed::class,
            self::CacheValueTooLarge => E\CacheValueTooLarge::class,
            self::InvalidVector => E\InvalidVector::class,
            self::IndexTooLarge => E\IndexTooLarge::class,
            self::IndexFileFailed => E\IndexFileFailed::class,
            self::IndexDamaged => E\IndexDamaged::class,
            self::NotANumber => E\NotANumber::class,
            self::CacheFailed => E\CacheFailed::class,
            default => E\EngineFailed::class,
        };
    }

    public function exception(string $message, ?string $sqlstate = null, ?string $value = null): LygerException
    {
        if ($this === self::QueryFailed) {
            return E\QueryFailed::because($message, $sqlstate);
        }
        $class = $this->exceptionClass();
        return new $class($message, $sqlstate, $value);
    }
}
