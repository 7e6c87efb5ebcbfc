<?php

/** PostgreSQL's arrays: JSON. See Lyger\Tests\Database\TypesTest for the form. */

declare(strict_types=1);

return [
    'integer[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::int4)',
        ["'{1,2,3}'", '[1,2,3]', '[1,2,3]', 'pdo' => '{1,2,3}'], ["'{}'", '[]', '[]', 'pdo' => '{}'],
        ["'{1,NULL,-2147483648}'", '[1,null,-2147483648]', '[1,null,-2147483648]', 'pdo' => '{1,NULL,-2147483648}'],
    ],
    'integer[], counted from 0' => [
        'type' => 'integer[]',
        'back' => '',
        ["'[0:1]={7,8}'", '[7,8]', '[7,8]', 'pdo' => '[0:1]={7,8}'],
    ],
    'integer[][]' => [
        'back' => '',
        ["'{{1,2},{3,NULL}}'", '[[1,2],[3,null]]', '[[1,2],[3,null]]', 'pdo' => '{{1,2},{3,NULL}}'],
        ["'{{{1},{2}}}'", '[[[1],[2]]]', '[[[1],[2]]]', 'pdo' => '{{{1},{2}}}'],
    ],
    'smallint[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::int2)',
        ["'{-32768,32767}'", '[-32768,32767]', '[-32768,32767]', 'pdo' => '{-32768,32767}'],
    ],
    'bigint[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::int8)',
        [
            "'{9223372036854775807,-9223372036854775808}'",
            '[9223372036854775807,-9223372036854775808]',
            '[9223372036854775807,-9223372036854775808]',
            'pdo' => '{9223372036854775807,-9223372036854775808}',
        ],
    ],
    'oid[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::oid)',
        ["'{4294967295}'", '[4294967295]', '[4294967295]', 'pdo' => '{4294967295}'],
    ],
    'real[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::float4)',
        [
            "'{0.1,-1.5,3.4028235e38}'",
            '[0.1,-1.5,3.4028235e+38]',
            '[0.1,-1.5,3.4028235e+38]',
            'pdo' => '{0.1,-1.5,3.4028235e+38}',
        ],
    ],
    'double precision[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::float8)',
        ["'{0.1,1e16,1e300}'", '[0.1,1e+16,1e+300]', '[0.1,1e+16,1e+300]', 'pdo' => '{0.1,1e+16,1e+300}'],
    ],
    'double precision[] (with words)' => [
        'type' => 'double precision[]',
        'back' => '',
        [
            "'{NaN,Infinity,-Infinity,1}'",
            '[null,null,null,1.0]',
            '[null,null,null,1.0]',
            'pdo' => '{NaN,Infinity,-Infinity,1}',
        ],
    ],
    'numeric[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::numeric)',
        [
            "'{1.50,123456789012345678901234567890.12,NaN,Infinity}'",
            '["1.50","123456789012345678901234567890.12","NaN","Infinity"]',
            '["1.50","123456789012345678901234567890.12","NaN","Infinity"]',
            'pdo' => '{1.50,123456789012345678901234567890.12,NaN,Infinity}',
        ],
    ],
    'boolean[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::bool)',
        ["'{true,false,NULL}'", '[true,false,null]', '[true,false,null]', 'pdo' => '{t,f,NULL}'],
    ],
    'text[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::text)',
        ["'{}'", '[]', '[]', 'pdo' => '{}'],
        [
            'ARRAY[\'a\', NULL, \'NULL\', \'\', \'say "hi"\', '
                . 'E\'back\\\\slash\\nline\', \'a,b\', \'{x}\', \'ü🦀\', \' \']',
            '["a",null,"NULL","","say \\"hi\\"","back\\\\slash\\nline","a,b","{x}","ü🦀"," "]',
            '["a",null,"NULL","","say \\"hi\\"","back\\\\slash\\nline","a,b","{x}","ü🦀"," "]',
            'pdo' => "{a,NULL,\"NULL\",\"\",\"say \\\"hi\\\"\",\"back\\\\slash\nline\",\"a,b\",\"{x}\",ü🦀,\" \"}",
        ],
    ],
    'text[][]' => [
        'back' => '',
        ["'{{a,b},{c,NULL}}'", '[["a","b"],["c",null]]', '[["a","b"],["c",null]]', 'pdo' => '{{a,b},{c,NULL}}'],
    ],
    'varchar(10)[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::varchar)',
        ["'{a,b}'", '["a","b"]', '["a","b"]', 'pdo' => '{a,b}'],
    ],
    'char(3)[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::bpchar)',
        ["'{a,bcd}'", '["a  ","bcd"]', '["a  ","bcd"]', 'pdo' => '{"a  ",bcd}'],
    ],
    'uuid[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::uuid)',
        [
            "'{123e4567-e89b-12d3-a456-426655440000}'",
            '["123e4567-e89b-12d3-a456-426655440000"]',
            '["123e4567-e89b-12d3-a456-426655440000"]',
            'pdo' => '{123e4567-e89b-12d3-a456-426655440000}',
        ],
    ],
    'date[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::date)',
        [
            "'{2024-01-02,infinity,0044-03-15 BC}'",
            '["2024-01-02","infinity","0044-03-15 BC"]',
            '["2024-01-02","infinity","0044-03-15 BC"]',
            'pdo' => '{2024-01-02,infinity,"0044-03-15 BC"}',
        ],
    ],
    'time[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::time)',
        ["'{03:04:05.5}'", '["03:04:05.5"]', '["03:04:05.5"]', 'pdo' => '{03:04:05.5}'],
    ],
    'timestamp[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::timestamp)',
        [
            "'{2024-01-02 03:04:05.5,infinity}'",
            '["2024-01-02T03:04:05.5","infinity"]',
            '["2024-01-02T03:04:05.5","infinity"]',
            'pdo' => '{"2024-01-02 03:04:05.5",infinity}',
        ],
    ],
    'timestamptz[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::timestamptz)',
        [
            "'{2024-01-02 03:04:05+02}'",
            '["2024-01-02T01:04:05Z"]',
            '["2024-01-02T01:04:05Z"]',
            'pdo' => '{"2024-01-02 01:04:05+00"}',
        ],
    ],
    'interval[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::interval)',
        [
            "'{1 day,-00:00:01.5}'",
            '["1 day","-00:00:01.5"]',
            '["1 day","-00:00:01.5"]',
            'pdo' => '{"1 day",-00:00:01.5}',
        ],
    ],
    'bytea[]' => [
        'back' => '',
        [
            'ARRAY[\'\x00ff\'::bytea, \'\', NULL]',
            '["AP8=","",null]',
            '["AP8=","",null]',
            'pdo' => '{"\\\\x00ff","\\\\x",NULL}',
        ],
    ],
    'json[]' => [
        'back' => '',
        [
            'ARRAY[\'{"a":  1}\'::json, \'null\', NULL]',
            '[{"a":  1},null,null]',
            '[{"a":  1},null,null]',
            'pdo' => '{"{\"a\":  1}","null",NULL}',
        ],
    ],
    'jsonb[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements(?::text::jsonb))',
        [
            'ARRAY[\'{"a":  1}\'::jsonb, \'[1]\', \'"s"\']',
            '[{"a": 1},[1],"s"]',
            '[{"a": 1},[1],"s"]',
            'pdo' => '{"{\"a\": 1}",[1],"\"s\""}',
        ],
    ],
    'inet[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::inet)',
        ["'{192.0.2.1,::1/64}'", '["192.0.2.1","::1/64"]', '["192.0.2.1","::1/64"]', 'pdo' => '{192.0.2.1,::1/64}'],
    ],
    'macaddr[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::macaddr)',
        ["'{08:00:2b:01:02:03}'", '["08:00:2b:01:02:03"]', '["08:00:2b:01:02:03"]', 'pdo' => '{08:00:2b:01:02:03}'],
    ],
    'money[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::money)',
        ["'{1.5}'", '["$1.50"]', '["$1.50"]', 'pdo' => '{$1.50}'],
    ],
    'bit(3)[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::bit(3))',
        ["'{101}'", '["101"]', '["101"]', 'pdo' => '{101}'],
    ],
    'point[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::point)',
        ["ARRAY['(1,2)'::point]", '["(1,2)"]', '["(1,2)"]', 'pdo' => '{"(1,2)"}'],
    ],
    'box[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::box)',
        [
            "ARRAY['(0,0),(1,1)'::box, '(2,2),(3,3)'::box]",
            '["(1,1),(0,0)","(3,3),(2,2)"]',
            '["(1,1),(0,0)","(3,3),(2,2)"]',
            'pdo' => '{(1,1),(0,0);(3,3),(2,2)}',
        ],
    ],
    'int4range[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::int4range)',
        ["ARRAY['[1,3)'::int4range]", '["[1,3)"]', '["[1,3)"]', 'pdo' => '{"[1,3)"}'],
    ],
    'int4multirange[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::int4multirange)',
        ["ARRAY['{[1,3)}'::int4multirange]", '["{[1,3)}"]', '["{[1,3)}"]', 'pdo' => '{"{[1,3)}"}'],
    ],
    'tsvector[]' => [
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::tsvector)',
        ["ARRAY['a b'::tsvector]", '["\'a\' \'b\'"]', '["\'a\' \'b\'"]', 'pdo' => '{"\'a\' \'b\'"}'],
    ],
    'citext[]' => [
        'setup' => 'CREATE EXTENSION IF NOT EXISTS citext',
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::citext)',
        ["'{MiXed}'", '["MiXed"]', '["MiXed"]', 'pdo' => '{MiXed}'],
    ],
    'hstore[]' => [
        'setup' => 'CREATE EXTENSION IF NOT EXISTS hstore',
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::hstore)',
        ["ARRAY['a=>1'::hstore]", '["\"a\"=>\"1\""]', '["\"a\"=>\"1\""]', 'pdo' => '{"\"a\"=>\"1\""}'],
    ],
    'an enum[]' => [
        'type' => '{type}[]',
        'setup' => "CREATE TYPE {type} AS ENUM ('sad', 'so ü')",
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::{type})',
        ["'{sad,so ü,NULL}'", '["sad","so ü",null]', '["sad","so ü",null]', 'pdo' => '{sad,"so ü",NULL}'],
    ],
    'a composite[]' => [
        'type' => '{type}[]',
        'setup' => 'CREATE TYPE {type} AS (n int, t text)',
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::{type})',
        ["ARRAY[ROW(1, 'a,b')]::{type}[]", '["(1,\"a,b\")"]', '["(1,\"a,b\")"]', 'pdo' => '{"(1,\"a,b\")"}'],
    ],
    'a domain[]' => [
        'type' => '{type}[]',
        'setup' => 'CREATE DOMAIN {type} AS integer CHECK (VALUE > 0)',
        'back' => 'ARRAY(SELECT jsonb_array_elements_text(?::text::jsonb)::{type})',
        ["'{1,2}'", '[1,2]', '[1,2]', 'pdo' => '{1,2}'],
    ],
];
