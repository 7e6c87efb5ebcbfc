//! A stub resolver's protocol over bytes in memory: queries and answers, the system's files, a cache.

const message = @import("dns/message.zig");
const files = @import("dns/files.zig");
const cache = @import("dns/cache.zig");

pub const Type = message.Type;
pub const Address = message.Address;
pub const Question = message.Question;
pub const Answer = message.Answer;
pub const NameError = message.NameError;
pub const AnswerError = message.AnswerError;
pub const writeQuery = message.writeQuery;
pub const readAnswer = message.readAnswer;
pub const query_bytes_max = message.query_bytes_max;
pub const udp_bytes_max = message.udp_bytes_max;
pub const addresses_max = message.addresses_max;

pub const Resolv = files.Resolv;
pub const Family = files.Family;
pub const parseResolv = files.parseResolv;
pub const lookupHosts = files.lookupHosts;
pub const parseAddress = files.parseAddress;

pub const Cache = cache.Cache;

test {
    _ = message;
    _ = files;
    _ = cache;
}
