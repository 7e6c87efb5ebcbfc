# Evaluates flake.nix against a stub of nixpkgs: a string with a line for each promise. Only names that the stub has can
# be used, so a misspelt package fails here; that nixpkgs has them, and that they build, is not tested.
{ root }:
let
  package = name: {
    type = "derivation";
    inherit name;
    outPath = "/stub/${name}";
    lib = {
      outPath = "/stub/${name}-lib";
    };
  };
  named = names: builtins.listToAttrs (map (name: { inherit name; value = package name; }) names);

  pkgs =
    named [
      "cargo"
      "rustc"
      "rustfmt"
      "clippy"
      "postgresql"
      "mariadb"
      "sqlite"
      "redis"
      "nginx"
      "wrk"
      "curl"
      "shellcheck"
      "gnumake"
      "zig_0_16"
    ]
    // {
      lib.licenses.mit = "mit";
      llvmPackages.libclang = package "libclang";
      php = {
        packages.composer = package "composer";
        buildEnv =
          { extensions, extraConfig }:
          package "php" // {
            inherit extraConfig;
            extensions = map (extension: extension.name) (extensions {
              enabled = [ (package "opcache") ];
              all = named [ "ffi" "pcntl" "posix" "pdo_sqlite" "pdo_pgsql" "pdo_mysql" ];
            });
          };
      };
      rustPlatform = {
        bindgenHook = package "bindgen-hook";
        buildRustPackage = arguments: arguments // package arguments.pname;
      };
      mkShell = arguments: arguments // package "shell";
    };

  flake = import (root + "/flake.nix");
  outputs = flake.outputs {
    self = root;
    nixpkgs = {
      lib.genAttrs = names: value: builtins.listToAttrs (map (name: { inherit name; value = value name; }) names);
      legacyPackages = {
        x86_64-linux = pkgs;
        aarch64-linux = pkgs;
      };
    };
  };

  here = kind: outputs.${kind}.x86_64-linux;
  names = map (package: package.name);
  has = wanted: list: builtins.all (name: builtins.elem name list) wanted;
  manifest = builtins.fromTOML (builtins.readFile (root + "/Cargo.toml"));

  default = (here "packages").default;
  pureRust = (here "packages").pure-rust;
  shell = (here "devShells").default;
  noZig = (here "devShells").no-zig;
  php = builtins.head (builtins.filter (package: package.name == "php") shell.packages);

  promises = {
    "nixpkgs is pinned to a release branch" =
      builtins.match "github:NixOS/nixpkgs/nixos-[0-9]{2}\\.[0-9]{2}" flake.inputs.nixpkgs.url != null;
    "both systems have the packages and the shells" = builtins.all
      (kind: builtins.attrNames outputs.${kind} == [ "aarch64-linux" "x86_64-linux" ])
      [ "packages" "devShells" ];
    "packages.default has the Zig kernels and server" =
      default.buildFeatures == [ "zig-kernels" "zig-server" ] && has [ "zig_0_16" "bindgen-hook" ] (names default.nativeBuildInputs);
    "packages.pure-rust needs neither Zig nor libclang" = pureRust.buildFeatures == [ ] && pureRust.nativeBuildInputs == [ ];
    "both have the version of Cargo.toml" =
      default.version == manifest.package.version && pureRust.version == manifest.package.version;
    "the features that they ask for are in Cargo.toml" =
      has default.buildFeatures (builtins.attrNames manifest.features);
    "devShells.default has Rust, Zig 0.16, PHP, the three databases and Redis" =
      has [ "cargo" "rustc" "zig_0_16" "php" "postgresql" "mariadb" "sqlite" "redis" ] (names shell.packages);
    "devShells.default says where Zig and libclang are" =
      shell.LYGER_ZIG == "/stub/zig_0_16/bin/zig" && shell.LIBCLANG_PATH == "/stub/libclang-lib/lib";
    "PHP has FFI and the fallback's drivers" =
      has [ "ffi" "pcntl" "pdo_sqlite" "pdo_pgsql" "pdo_mysql" ] php.extensions;
    "devShells.no-zig has no Zig and the rest" =
      !(noZig ? LYGER_ZIG)
      && names noZig.packages == builtins.filter (name: name != "zig_0_16") (names shell.packages);
  };
in
builtins.concatStringsSep "" (
  map (promise: "${if promises.${promise} then "ok" else "not ok"} - ${promise}\n") (builtins.attrNames promises)
)
