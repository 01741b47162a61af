"""Research by language models: planner, worker, critic, subagent; their briefs, tools and prompts."""
