"""Reading files of models as others write them: ``config.json``, GGUF and safetensors, headers alone."""
