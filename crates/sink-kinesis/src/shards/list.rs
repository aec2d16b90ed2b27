//! The call that lists the shards, beside the writing.

use aws_sdk_kinesis::{
    Client,
    types::{ShardFilter, ShardFilterType},
};
use sink_aws::{Source, Trouble};

use super::map::{Shard, ShardMap};
use crate::config::Stream;

/// Lists the open shards of a stream.
pub(super) struct ListShards {
    pub(super) client: Client,
    pub(super) stream: Stream,
}

impl Source for ListShards {
    type View = ShardMap;

    /// All pages, of 1,000 shards each.
    async fn fetch(&self) -> Result<ShardMap, Trouble> {
        let filter = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build().ok();
        let first = self.client.list_shards().set_shard_filter(filter);
        let mut request = match self.stream.arn() {
            Some(arn) => first.stream_arn(arn),
            None => first.stream_name(self.stream.name()),
        };
        let mut shards = Vec::new();
        loop {
            let page = request.send().await?;
            // The filter is a wish: not every endpoint knows it.
            shards.extend(page.shards().iter().filter_map(Shard::open));
            match page.next_token() {
                // The token names the stream; both together are refused.
                Some(token) => request = self.client.list_shards().next_token(token),
                None if shards.is_empty() => {
                    return Err(Trouble::Other("the answer names no open shard".to_owned()));
                }
                None => return Ok(ShardMap::new(shards)),
            }
        }
    }

    fn warn(&self, trouble: &Trouble) {
        let stream = self.stream.as_str();
        match trouble {
            Trouble::Denied => tracing::warn!(
                stream,
                "the credentials may not list the stream's shards, so a shard that is throttled \
                 slows down the others: allow the IAM action kinesis:ListShards on the stream"
            ),
            Trouble::Other(reason) => tracing::warn!(
                stream,
                reason,
                "the stream's shards could not be listed; what was known of them stays in use, and \
                 writing goes on"
            ),
        }
    }
}
