"""The sentences of the pages that go beyond their own case, each with its proof."""
