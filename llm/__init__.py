"""One client for chat models behind any OpenAI-compatible server: LMDeploy, vLLM, llama.cpp, DeepSeek and the like."""
