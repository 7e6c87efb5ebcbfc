<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Routing\Definition;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Helper\Table;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr routes */
final class RoutesCommand extends Command
{
    public function __construct(private readonly AppLoader $loader)
    {
        parent::__construct('routes');
    }

    protected function configure(): void
    {
        $this->setDescription('Lists the routes of an application');
        $this->addOption('app', null, InputOption::VALUE_REQUIRED, 'the folder of the application\'s bootstrap.php');
        $this->addOption('json', null, InputOption::VALUE_NONE, 'as JSON');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $app = $this->loader->load($this->loader->folder($input->getOption('app')));
        $routes = array_map(self::describe(...), $app->router()->routes());
        if ($input->getOption('json')) {
            $flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
            $output->writeln((string) json_encode($routes, $flags), OutputInterface::OUTPUT_RAW);
            return ExitCode::DONE;
        }
        $table = new Table($output);
        $table->setStyle('compact')->setHeaders(['Methods', 'Path', 'Name', 'Handler', 'Middleware']);
        foreach ($routes as $route) {
            $table->addRow([
                implode('|', $route['methods']),
                $route['path'],
                $route['name'],
                $route['handler'],
                implode(', ', $route['middleware']),
            ]);
        }
        $table->render();
        return ExitCode::DONE;
    }

    /** @return array{methods: list<string>, path: string, name: string, handler: string, middleware: list<string>} */
    private static function describe(Definition $route): array
    {
        return [
            'methods' => $route->methods(),
            'path' => $route->pattern(),
            'name' => $route->routeName(),
            'handler' => $route->handlerName(),
            'middleware' => array_map(
                static fn (string|object $entry): string => is_string($entry) ? $entry : $entry::class,
                $route->routeMiddleware(),
            ),
        ];
    }
}
