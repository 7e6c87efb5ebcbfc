<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Doctrine;

use DateTimeImmutable;
use Doctrine\ORM\Configuration;
use Doctrine\ORM\EntityManager;
use Doctrine\ORM\Mapping\Driver\AttributeDriver;
use Doctrine\ORM\Proxy\ProxyFactory;
use Doctrine\ORM\Tools\SchemaTool;

/** Doctrine's ORM on top. */
final class EntityTest extends DoctrineTestCase
{
    /** @dataProvider databases */
    public function test_an_entity_is_stored_found_changed_and_removed(string $dsn): void
    {
        $configuration = new Configuration();
        $configuration->setMetadataDriverImpl(new AttributeDriver([__DIR__]));
        $configuration->setProxyDir(sys_get_temp_dir());
        $configuration->setProxyNamespace('Lyger\\Tests\\Proxies');
        $configuration->setAutoGenerateProxyClasses(ProxyFactory::AUTOGENERATE_EVAL);
        $manager = fn (): EntityManager => new EntityManager($this->connect($dsn), $configuration);
        $first = $manager();
        $tool = new SchemaTool($first);
        $classes = [$first->getClassMetadata(Product::class)];
        // It reads every table that there is, and Doctrine doesn't know all the types that other tests leave in theirs.
        $own = trim($classes[0]->getTableName(), '`"');
        $filter = static fn (mixed $asset): bool
            => str_contains(is_string($asset) ? $asset : $asset->getName(), $own);
        $first->getConnection()->getConfiguration()->setSchemaAssetsFilter($filter);
        $tool->dropSchema($classes);
        $tool->createSchema($classes);
        try {
            $product = new Product("Kettle's", '12.50', true, new DateTimeImmutable('2024-01-02 03:04:05'), ['a' => 1]);
            $part = new Product('Lid', '1.00', false, new DateTimeImmutable('2024-01-02'), []);
            $part->partOf = $product;
            $first->persist($product);
            $first->persist($part);
            $first->flush();
            self::assertSame([1, 2], [$product->id, $part->id]);

            $second = $manager();
            $found = $second->find(Product::class, 2);
            self::assertNotSame($part, $found);
            self::assertSame(["Kettle's", 12.5], [$found->partOf->name, (float) $found->partOf->price]);
            self::assertSame([true, ['a' => 1]], [$found->partOf->isSold, $found->partOf->tags]);
            self::assertEquals($product->at, $found->partOf->at);
            $found->name = 'Cap';
            $second->flush();
            $dql = 'SELECT p.name FROM ' . Product::class . ' p WHERE p.partOf = :whole AND p.isSold = :sold';
            $query = $manager()->createQuery($dql)->setParameters(['whole' => 1, 'sold' => false]);
            self::assertSame([['name' => 'Cap']], $query->getArrayResult());
            $second->remove($found);
            $second->flush();
            self::assertCount(1, $manager()->getRepository(Product::class)->findAll());
        } finally {
            $tool->dropSchema($classes);
        }
    }
}
