<?php

declare(strict_types=1);

/** The lines of the table, and of target/bench/sql.json. A mark is a ratio to PDO: what PDO's time was to be over Lyger's. */
final class Report
{
    private const WIDTHS = "%-34s %-2s %-15s %-14s %-6s %10s %10s %7s %7s  %s\n";

    /** @var list<array<string, mixed>> */
    private array $records = [];

    public function __construct()
    {
        printf(self::WIDTHS, 'case', '', '', 'peer', 'metric', 'lyger', 'peer', 'ratio', 'spread', 'mark');
    }

    /**
     * @param array{case: string, subject: string, placement: string} $about
     * @param list<array<string, float>> $subject
     * @param list<array<string, float>> $peer
     */
    public function add(array $about, string $peerName, string $metric, string $unit, array $subject, array $peer, ?float $mark): void
    {
        $figures = compare($subject, $peer, $metric);
        $this->records[] = self::record($about, $peerName, $metric, $unit, $figures);
        $kept = '';
        if ($mark !== null) {
            $marked = array_map(static fn (array $run): array => [$metric => $run[$metric] / $mark], $peer);
            $against = compare($subject, $marked, $metric);
            $this->records[] = self::record($about, 'mark', $metric, $unit, $against);
            $kept = $mark . ($against['ratio'] >= 1.0 ? ', kept' : ', MISSED');
        }
        $this->line($about, $peerName, $metric, $figures, $kept);
    }

    /**
     * A mark in units of its own.
     *
     * @param array{case: string, subject: string, placement: string} $about
     * @param list<array<string, float>> $subject
     */
    public function addMark(array $about, string $metric, string $unit, array $subject, float $most): void
    {
        $figures = compare($subject, array_fill(0, count($subject), [$metric => $most]), $metric);
        $this->records[] = self::record($about, 'mark', $metric, $unit, $figures);
        $this->line($about, 'mark', $metric, $figures, "$most $unit" . ($figures['ratio'] >= 1.0 ? ', kept' : ', MISSED'));
    }

    /** A case that can't be measured here. */
    public function missing(string $case, string $why): void
    {
        printf("%-34s missing: %s\n", $case, $why);
    }

    public function write(): void
    {
        // Of the part that is written in Rust, which has just run.
        $decoded = @file_get_contents(dirname(__DIR__, 2) . '/target/bench/decode.json');
        $decoded = $decoded === false ? [] : json_decode($decoded, true, 512, JSON_THROW_ON_ERROR);
        writeFigures('sql', array_merge($this->records, $decoded));
    }

    private function line(array $about, string $peer, string $metric, array $figures, string $mark): void
    {
        ['subject_median' => $ours, 'peer_median' => $theirs, 'ratio' => $ratio, 'spread' => $spread] = $figures;
        $numbers = array_map(static fn (float $number): string => number_format($number, 2, '.', ''), [$ours, $theirs, $ratio, $spread]);
        printf(self::WIDTHS, $about['case'], $about['placement'][0], $about['subject'], $peer, $metric, ...[...$numbers, $mark]);
    }

    private static function record(array $about, string $peer, string $metric, string $unit, array $figures): array
    {
        return [
            'case' => $about['case'], 'subject' => $about['subject'], 'peer' => $peer, 'metric' => $metric,
            'unit' => $unit, 'placement' => $about['placement'],
        ] + $figures;
    }
}
